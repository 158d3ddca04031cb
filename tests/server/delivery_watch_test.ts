import { assertEquals } from "@std/assert";
import { DeliveryWatch } from "../../server/delivery_watch.ts";
import type { Exchange } from "../../server/exchange.ts";
import { FakeTransport } from "../support/fake_transport.ts";

/** Records the marks that are set. */
class MarkedTransport extends FakeTransport {
  readonly marks: number[] = [];
  override setWriteLimits(limits: { highBytes?: number } = {}): void {
    this.marks.push(limits.highBytes ?? -1);
  }
}

function open() {
  const transport = new MarkedTransport();
  const heard: string[] = [];
  const exchange = (name: string, endOffset: number) => ({
    endOffset,
    delivered: () => void heard.push(`${name} delivered`),
    cut: (reason: Error) => void heard.push(`${name} cut ${reason.message}`),
  } as unknown as Exchange);
  return { transport, heard, exchange, watch: new DeliveryWatch(transport) };
}

Deno.test("a response that was taken already is delivered at once, and no mark is touched", () => {
  const { watch, exchange, heard, transport } = open();
  watch.watch(exchange("a", 100), 100);
  watch.watch(exchange("b", 100), 150);
  assertEquals([heard, transport.marks], [["a delivered", "b delivered"], []]);
});

Deno.test("each is delivered when all up to its end was taken, in order", () => {
  const { watch, exchange, heard } = open();
  watch.watch(exchange("a", 100), 0);
  watch.watch(exchange("b", 200), 0);
  watch.taken(99);
  assertEquals(heard, []);
  watch.taken(100);
  assertEquals(heard, ["a delivered"]);
  watch.taken(250);
  watch.taken(300);
  assertEquals(heard, ["a delivered", "b delivered"]);
});

Deno.test("the mark is zero while somebody waits, and the usual one as soon as nobody does", () => {
  const { watch, exchange, transport } = open();
  watch.watch(exchange("a", 100), 0);
  watch.watch(exchange("b", 200), 0);
  watch.taken(100);
  assertEquals(transport.marks, [0]);
  watch.taken(200);
  assertEquals(transport.marks, [0, 64 * 1024]);
  watch.watch(exchange("c", 300), 200);
  assertEquals(transport.marks, [0, 64 * 1024, 0]);
});

Deno.test("an orderly close has delivered all, another end cuts those that were not taken, each once", () => {
  const inOrder = open();
  inOrder.watch.watch(inOrder.exchange("a", 100), 0);
  inOrder.watch.closed(null, 0);
  inOrder.watch.closed(null, 0);
  assertEquals(inOrder.heard, ["a delivered"]);
  const lost = open();
  for (const [name, end] of [["a", 100], ["b", 200], ["c", 300]] as const) {
    lost.watch.watch(lost.exchange(name, end), 0);
  }
  lost.watch.taken(100);
  lost.watch.closed(new Error("reset"), 200); // Nobody had told that b is gone, while more was written behind it.
  assertEquals(lost.heard, ["a delivered", "b delivered", "c cut reset"]);
});

Deno.test("one that waits from within another's delivery is not lost", () => {
  const { watch, exchange, heard } = open();
  const second = exchange("second", 300);
  const first = exchange("first", 100);
  first.delivered = () => {
    heard.push("first delivered");
    watch.watch(second, 100);
  };
  watch.watch(first, 0);
  watch.taken(100);
  watch.taken(300);
  assertEquals(heard, ["first delivered", "second delivered"]);
});
