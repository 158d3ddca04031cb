import { assertEquals, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Counter, escapeHelp, Gauge, Histogram, HistogramSeries } from "../../server/metric.ts";

Deno.test("the same values find the same series, others another", () => {
  const counter = new Counter("a_total", "", ["x", "y"], 10);
  assertStrictEquals(counter.labels("1", 2), counter.labels(1, "2"));
  assertNotStrictEquals(counter.labels("1", "2"), counter.labels("2", "1"));
  counter.labels(1, 2).inc(3);
  assertEquals(counter.render(), 'a_total{x="1",y="2"} 3\na_total{x="2",y="1"} 0\n');
});

Deno.test("beyond the bound all new combinations are one series, and the ones there are stay", () => {
  const gauge = new Gauge("a", "", ["x"], 2);
  const [first, second] = [gauge.labels(1), gauge.labels(2)];
  assertStrictEquals(gauge.labels(3), gauge.labels(4));
  assertStrictEquals(gauge.labels(1), first);
  assertStrictEquals(gauge.labels(2), second);
});

Deno.test("a counter does not fall", () => {
  const counter = new Counter("a_total", "", [], 1);
  for (const by of [-1, NaN]) {
    assertThrows(() => counter.inc(by), RangeError);
    assertThrows(() => counter.setTotal(by), RangeError);
  }
});

Deno.test("a wrong number of labels is refused", () => {
  const counter = new Counter("a_total", "", ["x"], 1);
  assertThrows(() => counter.labels(), TypeError);
  assertThrows(() => counter.labels("a", "b"), TypeError);
  assertThrows(() => counter.inc(), TypeError);
});

Deno.test("a histogram keeps its buckets apart and adds them up when it is rendered", () => {
  const series = new HistogramSeries([1, 2]);
  for (const value of [-5, 1, 1.5, 2, 2.1, Infinity]) series.observe(value);
  assertEquals([[...series.counts], series.count, series.sum], [[2, 2, 2], 6, Infinity]);
  const histogram = new Histogram("a", "", [1, 2], [], 1);
  for (const value of [0.5, 1.5, 9]) histogram.observe(value);
  assertEquals(
    histogram.render(),
    'a_bucket{le="1"} 1\na_bucket{le="2"} 2\na_bucket{le="+Inf"} 3\na_sum 11\na_count 3\n',
  );
});

Deno.test("help is escaped so that it stays one line", () => {
  assertEquals(escapeHelp('a\nb\\n "c"'), 'a\\nb\\\\n "c"');
});
