/**
 * Which tests do not run on Node or Bun, and why: the only place that says so.
 *
 * Files about the repository, about Deno or about the selector of one runtime have a place of their own (`PLACES`): they
 * are no part of the comparison, and run where they belong. Every other test runs everywhere unless `OPT_OUTS` names
 * it; those are counted.
 *
 * @module
 */

/** Runtimes a test may opt out of. */
export type RuntimeName = "node" | "bun";

/** Where a file belongs that does not belong everywhere. */
export interface Place {
  /** What it is about; the row of the table it is counted in. */
  readonly about: string;
  /** Where it runs besides Deno. */
  readonly runtimes: readonly RuntimeName[];
}

const REPOSITORY: Place = { about: "(the repository)", runtimes: [] };
const DENO: Place = { about: "(Deno itself)", runtimes: [] };
const PROGRAMS: Place = { about: "(programs for Deno)", runtimes: [] };
const FFI: Place = { about: "(selectors on FFI)", runtimes: ["bun"] };
const NODE_NET: Place = { about: "(the selector on node:net)", runtimes: ["node"] };

const PLACES: Readonly<Record<string, Place>> = {
  "repo_test.ts": REPOSITORY,
  "tidy_test.ts": REPOSITORY,
  "std_test.ts": REPOSITORY,
  "support_test.ts": REPOSITORY,
  "url_import_test.ts": DENO, // Node and Bun cannot import by URL.
  "io/runtime_test.ts": DENO, // It expects Deno, and takes its permissions away.
  "server/deno_differences_test.ts": DENO,
  "e2e/npm_package_test.ts": REPOSITORY, // It starts Node and Bun itself.
  "e2e/embedding_runtimes_test.ts": REPOSITORY, // So does it.
  "e2e/compile_test.ts": DENO, // It is about `deno compile`.
  "io/selectors/native_deno_test.ts": DENO,
  "io/ffi/constants_test.ts": FFI,
  "io/ffi/layout_test.ts": FFI,
  "io/ffi/libc_test.ts": FFI,
  "io/ffi/load_test.ts": FFI,
  "io/ffi/poll_ring_test.ts": FFI,
  "io/ffi/uring_kernel_test.ts": FFI,
  "io/ffi/uring_layout_test.ts": FFI,
  "io/selectors/accepting_listener_test.ts": FFI,
  "io/selectors/broken_torture_test.ts": FFI,
  "io/selectors/cross_torture_test.ts": FFI,
  "io/selectors/direct_read_test.ts": FFI,
  "io/selectors/direct_send_test.ts": FFI,
  "io/selectors/epoll_connect_test.ts": FFI,
  "io/selectors/epoll_listener_test.ts": FFI,
  "io/selectors/epoll_set_test.ts": FFI,
  "io/selectors/epoll_test.ts": FFI,
  "io/selectors/epoll_transport_test.ts": FFI,
  "io/selectors/listening_socket_test.ts": FFI,
  "io/selectors/native_wake_test.ts": FFI,
  "io/selectors/owned_socket_test.ts": FFI,
  "io/selectors/parking_test.ts": FFI,
  "io/selectors/poll_set_test.ts": FFI,
  "io/selectors/uring_arena_test.ts": FFI,
  "io/selectors/uring_buffers_test.ts": FFI,
  "io/selectors/uring_connector_test.ts": FFI,
  "io/selectors/uring_host_test.ts": FFI,
  "io/selectors/uring_listener_test.ts": FFI,
  "io/selectors/uring_messages_test.ts": FFI,
  "io/selectors/uring_parking_test.ts": FFI,
  "io/selectors/uring_pool_test.ts": FFI,
  "io/selectors/uring_ring_test.ts": FFI,
  "io/selectors/uring_torture_test.ts": FFI,
  "io/selectors/uring_transport_test.ts": FFI,
  "io/selectors/uring_test.ts": FFI,
  // The ready-made server and the examples, started as the processes they are.
  "server/main_test.ts": PROGRAMS,
  "e2e/browser_test.ts": PROGRAMS,
  "e2e/shutdown_test.ts": PROGRAMS,
  "e2e/socket_activation_test.ts": PROGRAMS,
  "examples_test.ts": PROGRAMS,
  "io/selectors/native_listener_test.ts": NODE_NET,
  "io/selectors/native_net_test.ts": NODE_NET,
  "io/selectors/native_node_test.ts": NODE_NET,
  "io/selectors/native_socket_test.ts": NODE_NET,
  "io/selectors/native_write_test.ts": NODE_NET,
};

/** Tests about Deno in files that are not: those of `Deno.serve`, beside or below the library. */
const DENO_TESTS: readonly string[] = [
  "server/serve_test.ts: Deno.serve: *",
  "server/web_stand_in_test.ts: Deno keeps the state of its web objects *",
  "server/request_test.ts: fetch(request) sends it",
  "server/gateway/gateway_test.ts: a Unix socket is an upstream",
  "server/gateway/gateway_foreign_test.ts: the gateway works under Deno.serve too, *",
  "server/gateway/gateway_foreign_test.ts: a streamed upload through Deno.serve *",
  "server/sse/event_hub_test.ts: a foreign server gets the same stream as a web response",
  "server/sse/sse_test.ts: a foreign server streams it, *",
  "server/sse/hub_serve_test.ts: memory stays flat while 128 MiB are published *",
  "e2e/foreign_servers_test.ts: Deno *",
  "e2e/foreign_servers_test.ts: Deno.serve *",
  "e2e/foreign_servers_test.ts: our router runs under Deno.serve",
  "e2e/jobs_test.ts: Deno.serve mounts *",
  "e2e/embedding_test.ts: the handlers run unchanged *",
  "e2e/embedding_test.ts: route() and serveDir() *",
  "io/ffi/load_test.ts: permission *",
  "io/selectors/native_net_test.ts: without the net permission, *",
  "io/selectors/native_net_test.ts: connecting to a host that does not answer *",
  "io/selectors/native_net_test.ts: a process that ran out of descriptors *",
  "io/selectors/native_listener_test.ts: a Unix path that exists is in use, *",
  "io/selectors/native_socket_test.ts: nothing is read before that is asked for",
];

interface OptOut {
  readonly runtimes: readonly RuntimeName[];
  /** The file below `tests/`, and the test's name or how it begins. */
  readonly test: string;
  readonly reason: string;
}

const NODE: readonly RuntimeName[] = ["node"];
const BUN: readonly RuntimeName[] = ["bun"];

const BUN_RESPONSE = "Bun's Response gives its text in several pieces, so that its length is not known " +
  "(https://fetch.spec.whatwg.org/#bodyinit-safely-extract: one chunk with all bytes)";
const BUN_BLOB = "Bun gives the blob of bytes text's type and that of empty text none " +
  "(https://fetch.spec.whatwg.org/#dom-body-blob: the response's own type, or none)";
const BUN_METHODS = "Bun makes requests with TRACE and CONNECT " +
  "(https://fetch.spec.whatwg.org/#dom-request: a forbidden method is a TypeError)";
const NODE_WEB = "Node's Request reads its own private fields, which a stand-in cannot have: " +
  "`new Request(ours)` throws (https://github.com/honojs/node-server/issues/339), toRequest() is the way";
const BUN_UNCAUGHT =
  "bun:test fails the test for an uncaught error, whoever listens for it (https://github.com/oven-sh/bun/pull/36445)";
const BUN_POOL =
  `${BUN_UNCAUGHT}, in a worker too; e2e/pool_serving_test.ts shows the same in a process of its own`;
const BUN_EVENT_SOURCE = "Bun has no EventSource (https://bun.sh/docs/runtime/web-apis)";
const NODE_EVENT_SOURCE =
  "Node's EventSource is experimental (https://nodejs.org/docs/latest-v24.x/api/globals.html#class-eventsource) and " +
  "takes an event's name for a line it does not belong to where lines end by CR";
const BUN_NODE_NET = "Bun's node:net, on which the test's upstream stands, tells some resets as ends " +
  "(https://github.com/oven-sh/bun/pull/39600); that ours is one, the selector's contract shows";

const OPT_OUTS: readonly OptOut[] = [
  optOut(BUN, "server/reply_test.ts: a reply's blob has its content type, *", BUN_BLOB),
  optOut(BUN, "server/request_test.ts: of a method the web forbids *", BUN_METHODS),
  optOut(BUN, "server/response_sender_test.ts: a Response of many bytes is sent *", BUN_RESPONSE),
  optOut(BUN, "server/response_sender_test.ts: HEAD for a Response of many bytes *", BUN_RESPONSE),
  optOut(BUN, "server/sse/event_source_test.ts: *", BUN_EVENT_SOURCE),
  optOut(NODE, "server/sse/event_source_test.ts: the decoder gives *", NODE_EVENT_SOURCE),
  optOut(BUN, "io/admission_test.ts: a protocol that cannot be made *", BUN_UNCAUGHT),
  optOut(BUN, "io/listen_test.ts: an error listener that throws *", BUN_UNCAUGHT),
  optOut(BUN, "io/report_uncaught_test.ts: *", BUN_UNCAUGHT),
  optOut(BUN, "io/testing/memory_listener_test.ts: a protocol that cannot be made *", BUN_UNCAUGHT),
  optOut(BUN, "io/selectors/accepting_listener_test.ts: a protocol that cannot be made *", BUN_UNCAUGHT),
  optOut(BUN, "io/timer_wheel_test.ts: a callback that throws *", BUN_UNCAUGHT),
  optOut(BUN, "io/transport_test.ts: an error thrown from closed *", BUN_UNCAUGHT),
  ...["contracts/pool/harness.ts", "contracts/pool/crashes.ts", "pool/pool_test.ts"].flatMap((file) => [
    optOut(BUN, `${file}: pool of threads: a rejection that nobody handles *`, BUN_POOL),
    optOut(BUN, `${file}: pool of threads: so is an error that nobody catches`, BUN_POOL),
    optOut(BUN, `${file}: pool of threads: an error behind a task *`, BUN_POOL),
  ]),
  optOut(
    BUN,
    "server/gateway/gateway_failures_test.ts: an upstream that does not answer is a 504",
    BUN_NODE_NET,
  ),
  optOut(BUN, "server/gateway/gateway_failures_test.ts: chunks that turn out broken *", BUN_NODE_NET),
  optOut(BUN, "server/gateway/gateway_cancel_test.ts: a body that turns out too large *", BUN_NODE_NET),
  optOut(NODE, "server/request_test.ts: new Request(request) takes it over, *", NODE_WEB),
  optOut(NODE, "e2e/request_bodies_test.ts: a copy of the request *", NODE_WEB),
];

/** @param test file and name; a `*` at its end stands for any more */
function optOut(runtimes: readonly RuntimeName[], test: string, reason: string): OptOut {
  return { runtimes, test, reason };
}

function matches(pattern: string, file: string, name: string): boolean {
  const test = `${file}: ${name}`;
  return pattern.endsWith("*") ? test.startsWith(pattern.slice(0, -1)) : test === pattern;
}

/** Where a file, or one of its tests, belongs; `null` for everywhere. */
export function placeOf(file: string, name?: string): Place | null {
  if (name !== undefined && DENO_TESTS.some((pattern) => matches(pattern, file, name))) return DENO;
  return PLACES[file] ?? null;
}

/** Why a test does not run on a runtime; `null` when it does. */
export function optOutReason(runtime: RuntimeName, file: string, name: string): string | null {
  if (placeOf(file, name)?.runtimes.includes(runtime) === false) {
    return "it is about Deno itself (not counted)";
  }
  return OPT_OUTS.find(({ runtimes, test }) => runtimes.includes(runtime) && matches(test, file, name))
    ?.reason ?? null;
}
