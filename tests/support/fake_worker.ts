/**
 * Workers for tests of the pool's parts: the real host, in the same thread, or nothing at all behind a link.
 *
 * @module
 */
import type { LinkEvents, LinkOptions, Message, WorkerLink } from "../../pool/protocol.ts";
import { READY } from "../../pool/protocol.ts";
import { INTERRUPTION, TaskHost } from "../../pool/task_host.ts";

/** A link that remembers what was said, and lets the test be the worker. */
export class FakeLink implements WorkerLink {
  readonly isolation: WorkerLink["isolation"];
  readonly options: LinkOptions;
  /** What the pool has sent. */
  readonly sent: Message[] = [];
  isStopped = false;
  isKept = true;
  /** Whether `stop` ends it at once, as with a worker that can be stopped. */
  endsWhenStopped = true;

  constructor(options: LinkOptions, isolation: WorkerLink["isolation"] = "thread") {
    this.options = options;
    this.isolation = isolation;
  }

  /** The pool's side. */
  get events(): LinkEvents {
    return this.options.events;
  }

  post(message: Message, transfer: Transferable[]): void {
    this.sent.push(structuredClone(message, { transfer }));
  }

  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    if (this.endsWhenStopped) queueMicrotask(() => this.events.ended(1, undefined));
  }

  keepAlive(isKept: boolean): void {
    this.isKept = isKept;
  }
}

/** A link to a real host that runs a module's tasks in this thread, a microtask after each message. */
export function openHosted(module: Readonly<Record<string, unknown>>): (options: LinkOptions) => FakeLink {
  return (options) => {
    const link = new FakeLink(options);
    const host = new TaskHost(module, options.config, {
      post: (message, transfer) => {
        const clone = structuredClone(message, { transfer });
        queueMicrotask(() => link.isStopped || link.events.message(clone));
      },
      soon: (run) => void setTimeout(run),
      interrupt: (run, ms) => ms < 0 ? INTERRUPTION : run(),
    });
    link.post = (message, transfer) => {
      const clone = structuredClone(message, { transfer });
      link.sent.push(clone);
      queueMicrotask(() => link.isStopped || host.receive(clone));
    };
    queueMicrotask(() => link.isStopped || link.events.message([READY]));
    return link;
  };
}
