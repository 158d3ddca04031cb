/**
 * Loads a TCP server that answers every message by the same bytes: N connections, one message outstanding on each.
 *
 * Strategy: one thread around the kernel's own `epoll_wait`, `recv` and `send` through FFI, without promises or buffers
 * in between, so that the load costs little more than the system calls it is made of and the server is what is measured.
 * Whether that held is not assumed: the busy shares of both processes are reported with every figure, and a server that
 * is busy all the time is the one that was waited for.
 *
 * The connections are made and have been answered before the clock starts, and the server's CPU is read from here at
 * both ends of the measured time, so neither process's start nor the accepting counts. Every answer is compared with
 * what was sent, and each connection sends something else.
 *
 * Linux only. Run by `tcpLoad`: `tcp_load.ts port pid connections seconds`; prints the figures as one JSON line.
 *
 * @module
 */
import { cpuSeconds } from "./processes.ts";

/** What one run saw. */
export interface TcpFigures {
  /** Messages answered. */
  readonly roundTrips: number;
  /** Length of the run, seconds. */
  readonly seconds: number;
  /** CPU the server used, user and system, seconds. */
  readonly serverSeconds: number;
  /** CPU the load used, seconds. */
  readonly loadSeconds: number;
  /** Median time from send to answer, microseconds. */
  readonly p50Us: number;
  /** 99th percentile, microseconds. */
  readonly p99Us: number;
}

/** Bytes of a message, its LF included. */
const MESSAGE_BYTES = 64;
/** The same as the `size_t` of the calls, which Deno takes as a bigint. */
const MESSAGE_SIZE = 64n;
/** Share of the measured time that runs before it, unmeasured: caches fill and the JIT compiles. */
const WARM_UP_SHARE = 0.2;
/** A latency histogram of 1 µs a slot; what takes 100 ms or more is counted in the last. */
const SLOTS = 100_000;
/** Longest wait for an answer, milliseconds: a server that is silent for so long has failed. */
const SILENCE_MS = 5_000;

// Linux's numbers: socket(2), send(2), recv(2), epoll_ctl(2).
const AF_INET = 2;
const SOCK_STREAM = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const EPOLLIN = 1;
const EPOLL_CTL_ADD = 1;
/** `struct epoll_event` is packed on x86-64 alone: words of one, and the word that holds the low half of `data`. */
const [EVENT_WORDS, DATA_WORD] = Deno.build.arch === "x86_64" ? [3, 1] : [4, 2];

/** `size_t` is passed as such; results that are `ssize_t` are small here, and their lower half has the sign. */
const { symbols: libc } = Deno.dlopen("libc.so.6", {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
});

/** One client. */
interface Client {
  readonly fd: number;
  /** What it sends and expects. */
  readonly message: Uint8Array<ArrayBuffer>;
  readonly messageWords: Uint32Array;
  /** Where the answer goes. */
  readonly answer: Uint8Array<ArrayBuffer>;
  readonly answerWords: Uint32Array;
  /** Bytes of the answer that are there. */
  received: number;
  /** When the message was sent, milliseconds. */
  sentAt: number;
}

/** Throws when a call failed. */
function check(result: number, call: string): number {
  if (result < 0) throw new Error(`Cannot load the server: ${call} failed`);
  return result;
}

/** `struct sockaddr_in` of 127.0.0.1 (ip(7)). */
function loopback(port: number): Uint8Array<ArrayBuffer> {
  const address = new DataView(new ArrayBuffer(16));
  address.setUint16(0, AF_INET, true);
  address.setUint16(2, port);
  address.setUint32(4, 0x7f000001);
  return new Uint8Array(address.buffer);
}

/** Connects one client and registers it with `epoll`, under its index. */
function connect(port: number, epoll: number, index: number): Client {
  const fd = check(libc.socket(AF_INET, SOCK_STREAM, 0), "socket");
  const address = loopback(port);
  check(libc.connect(fd, address, address.length), "connect");
  const event = new Uint32Array(EVENT_WORDS);
  event[0] = EPOLLIN;
  event[DATA_WORD] = index;
  check(libc.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, new Uint8Array(event.buffer)), "epoll_ctl");
  const text = `connection ${index} `.padEnd(MESSAGE_BYTES - 1, "0123456789") + "\n";
  const message = new TextEncoder().encode(text);
  const answer = new Uint8Array(MESSAGE_BYTES);
  const messageWords = new Uint32Array(message.buffer.slice(0, MESSAGE_BYTES));
  const answerWords = new Uint32Array(answer.buffer);
  return { fd, message, messageWords, answer, answerWords, received: 0, sentAt: 0 };
}

/** Sends a client's message. */
function send(client: Client, now: number): void {
  client.received = 0;
  client.sentAt = now;
  const sent = check(libc.send(client.fd, client.message, MESSAGE_SIZE, MSG_NOSIGNAL), "send");
  if (sent !== MESSAGE_BYTES) throw new Error("Cannot load the server: it does not take a message");
}

/** Receives what is there; returns whether the answer is whole. Throws when it is not what was sent. */
function receive(client: Client): boolean {
  const { received } = client;
  const into = received === 0 ? client.answer : client.answer.subarray(received);
  const size = received === 0 ? MESSAGE_SIZE : BigInt(into.length);
  const count = check(libc.recv(client.fd, into, size, MSG_DONTWAIT), "recv");
  if (count === 0) throw new Error("Cannot load the server: it closed a connection");
  client.received = received + count;
  if (client.received < MESSAGE_BYTES) return false;
  for (let i = 0; i < MESSAGE_BYTES / 4; i++) {
    if (client.answerWords[i] === client.messageWords[i]) continue;
    throw new Error(`Cannot load the server: it answered ${new TextDecoder().decode(client.answer)}`);
  }
  return true;
}

/** The clients of one server, and what became of their messages. */
class Load {
  readonly #epoll: number;
  readonly #clients: Client[] = [];
  readonly #events: Uint32Array<ArrayBuffer>;
  readonly #eventBytes: Uint8Array<ArrayBuffer>;

  constructor(port: number, connections: number) {
    this.#epoll = check(libc.epoll_create1(0), "epoll_create1");
    this.#events = new Uint32Array(connections * EVENT_WORDS);
    this.#eventBytes = new Uint8Array(this.#events.buffer);
    for (let i = 0; i < connections; i++) this.#clients.push(connect(port, this.#epoll, i));
  }

  /** Sends the first message of every connection. */
  start(): void {
    for (const client of this.#clients) send(client, performance.now());
  }

  /** Goes on for some milliseconds; counts answers by their latency in `slots`. Returns how many came. */
  run(ms: number, slots: Uint32Array): number {
    const end = performance.now() + ms;
    let answers = 0;
    for (let now = 0; now < end;) {
      const ready = check(
        libc.epoll_wait(this.#epoll, this.#eventBytes, this.#clients.length, SILENCE_MS),
        "epoll_wait",
      );
      if (ready === 0) throw new Error(`Cannot load the server: no answer in ${SILENCE_MS} ms`);
      for (let i = 0; i < ready; i++) {
        const client = this.#clients[this.#events[i * EVENT_WORDS + DATA_WORD]!]!;
        if (!receive(client)) continue;
        now = performance.now();
        const slot = Math.min(SLOTS - 1, Math.floor((now - client.sentAt) * 1000));
        slots[slot]!++;
        answers++;
        send(client, now);
      }
    }
    return answers;
  }
}

/** The latency below which a share of all answers is, microseconds. */
function percentile(slots: Uint32Array, count: number, share: number): number {
  let seen = 0;
  return slots.findIndex((answers) => (seen += answers) >= count * share);
}

/** Measures once. */
function measure(port: number, pid: number, connections: number, seconds: number): TcpFigures {
  const load = new Load(port, connections);
  const slots = new Uint32Array(SLOTS);
  load.start();
  load.run(seconds * 1000 * WARM_UP_SHARE, slots);
  slots.fill(0);
  const serverBefore = cpuSeconds(pid);
  const loadBefore = cpuSeconds(Deno.pid);
  const startMs = performance.now();
  const roundTrips = load.run(seconds * 1000, slots);
  return {
    roundTrips,
    seconds: (performance.now() - startMs) / 1000,
    serverSeconds: cpuSeconds(pid) - serverBefore,
    loadSeconds: cpuSeconds(Deno.pid) - loadBefore,
    p50Us: percentile(slots, roundTrips, 0.5),
    p99Us: percentile(slots, roundTrips, 0.99),
  };
}

const [port, pid, connections, seconds] = Deno.args.map(Number);
if (port === undefined || pid === undefined || connections === undefined || seconds === undefined) {
  console.error("usage: tcp_load.ts port pid connections seconds");
  Deno.exit(2);
}
console.log(JSON.stringify(measure(port, pid, connections, seconds)));
