import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { DURATION_BUCKETS_SECONDS, Metrics } from "../../server/metrics.ts";

/** What a strict reader of the text format finds: samples by name and labels, types and help by name. */
interface Parsed {
  readonly samples: Record<string, number>;
  readonly types: Record<string, string>;
  readonly help: Record<string, string>;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/;

/** Reads the text format, version 0.0.4, and throws at whatever it does not allow. */
function parse(text: string): Parsed {
  const parsed: Parsed = { samples: {}, types: {}, help: {} };
  if (!text.endsWith("\n")) throw new TypeError("the last line has no line end");
  let family = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const help = /^# HELP (\S+) (.*)$/.exec(line);
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
    if (help) {
      if (help[1]! in parsed.help) throw new TypeError(`${help[1]} has help twice`);
      parsed.help[family = help[1]!] = help[2]!;
    } else if (type) {
      if (type[1] !== family || family in parsed.types) throw new TypeError(`a type out of place: ${line}`);
      parsed.types[family] = type[2]!;
    } else {
      const sample = SAMPLE.exec(line);
      if (!sample) throw new TypeError(`no sample: ${line}`);
      const [, name = "", labels = "", value = ""] = sample;
      const isOfFamily = name === family ||
        (parsed.types[family] === "histogram" && /^_(bucket|sum|count)$/.test(name.slice(family.length)));
      if (!isOfFamily || !name.startsWith(family)) throw new TypeError(`not below its type: ${line}`);
      const key = `${name}{${parseLabels(labels).map(([label, text]) => `${label}=${text}`).join(";")}}`;
      if (key in parsed.samples) throw new TypeError(`twice: ${key}`);
      if (!/^([+-]?Inf|NaN|-?[0-9.]+(e[+-]?[0-9]+)?)$/.test(value)) {
        throw new TypeError(`no number: ${value}`);
      }
      parsed.samples[key] = Number(value.replace("Inf", "Infinity"));
    }
  }
  return parsed;
}

function parseLabels(text: string): [string, string][] {
  const labels: [string, string][] = [];
  for (let rest = text; rest !== "";) {
    const label = LABEL.exec(rest);
    if (!label) throw new TypeError(`no label: ${rest}`);
    labels.push([label[1]!, label[2]!.replace(/\\(.)/g, (_, what) => what === "n" ? "\n" : what)]);
    rest = rest.slice(label[0].length);
  }
  return labels;
}

Deno.test("counters, gauges and histograms come out as the format says", () => {
  const metrics = new Metrics();
  const requests = metrics.counter("http_requests_total", "Requests.", ["method", "status"]);
  requests.labels("GET", 200).inc();
  requests.labels("GET", 200).inc(2);
  requests.labels("POST", 503).inc();
  const open = metrics.gauge("connections_open", "Open now.");
  open.set(7);
  open.inc();
  open.dec(3);
  const seconds = metrics.histogram("first_byte_seconds", "Time to the first byte.", [0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 3]) seconds.observe(value);
  assertEquals(parse(metrics.render()), {
    help: {
      http_requests_total: "Requests.",
      connections_open: "Open now.",
      first_byte_seconds: "Time to the first byte.",
    },
    types: { http_requests_total: "counter", connections_open: "gauge", first_byte_seconds: "histogram" },
    samples: {
      "http_requests_total{method=GET;status=200}": 3,
      "http_requests_total{method=POST;status=503}": 1,
      "connections_open{}": 5,
      "first_byte_seconds_bucket{le=0.1}": 2,
      "first_byte_seconds_bucket{le=1}": 3,
      "first_byte_seconds_bucket{le=+Inf}": 4,
      "first_byte_seconds_sum{}": 3.65,
      "first_byte_seconds_count{}": 4,
    },
  });
});

Deno.test("metrics without labels are there from the start, as 0", () => {
  const metrics = new Metrics();
  metrics.counter("a_total", "");
  metrics.gauge("b", "");
  metrics.histogram("c", "", [1]);
  metrics.counter("d_total", "", ["x"]);
  assertEquals(parse(metrics.render()).samples, {
    "a_total{}": 0,
    "b{}": 0,
    "c_bucket{le=1}": 0,
    "c_bucket{le=+Inf}": 0,
    "c_sum{}": 0,
    "c_count{}": 0,
  });
});

Deno.test("labels of a histogram stand beside its buckets", () => {
  const metrics = new Metrics();
  metrics.histogram("a", "", [1], ["route"]).labels("/x").observe(2);
  assertEquals(parse(metrics.render()).samples, {
    "a_bucket{route=/x;le=1}": 0,
    "a_bucket{route=/x;le=+Inf}": 1,
    "a_sum{route=/x}": 2,
    "a_count{route=/x}": 1,
  });
});

Deno.test("what would break a line is escaped, in help and in labels", () => {
  const metrics = new Metrics();
  const nasty = 'a"b\\c\nd,e="f"} 1';
  metrics.counter("a_total", 'one\ntwo \\ "three"', ["x", "y"]).labels(nasty, "").inc();
  const { samples, help } = parse(metrics.render());
  assertEquals(samples, { [`a_total{x=${nasty};y=}`]: 1 });
  assertEquals(help, { a_total: 'one\\ntwo \\\\ "three"' });
});

Deno.test("values of labels that escape to the same text are not mixed up", () => {
  const metrics = new Metrics();
  const counter = metrics.counter("a_total", "", ["x", "y"]);
  for (
    const [x, y] of [["a", "b"], ['a",y="b', ""], ["a\\", "b"], ["a\\\\", "b"], ["a\n", "b"], ["a\\n", "b"]]
  ) {
    counter.labels(x!, y!).inc();
  }
  assertEquals(Object.values(parse(metrics.render()).samples), [1, 1, 1, 1, 1, 1]);
});

Deno.test("beyond the bound, combinations are counted together, so that the sum stays right", () => {
  const metrics = new Metrics({ seriesMax: 3 });
  const counter = metrics.counter("a_total", "", ["path", "status"]);
  for (let n = 0; n < 100; n++) counter.labels(`/${n}`, 200).inc();
  counter.labels("/1", 200).inc();
  assertEquals(parse(metrics.render()).samples, {
    "a_total{path=/0;status=200}": 1,
    "a_total{path=/1;status=200}": 2,
    "a_total{path=/2;status=200}": 1,
    "a_total{path=_other;status=_other}": 97,
  });
});

Deno.test("what is counted elsewhere is read when somebody asks", () => {
  const metrics = new Metrics();
  const stats = { accepted: 0, open: 0 };
  const accepted = metrics.counter("accepted_total", "");
  const open = metrics.gauge("open", "");
  metrics.collect(() => {
    accepted.setTotal(stats.accepted);
    open.set(stats.open);
  });
  Object.assign(stats, { accepted: 9, open: 4 });
  assertEquals(parse(metrics.render()).samples, { "accepted_total{}": 9, "open{}": 4 });
  stats.open = 1;
  assertEquals(parse(metrics.render()).samples["open{}"], 1);
});

Deno.test("numbers that are not finite, very small or very large are written as the format wants", () => {
  const metrics = new Metrics();
  const gauge = metrics.gauge("a", "", ["n"]);
  const values = [Infinity, -Infinity, NaN, 1e-9, 1e30, -0.5];
  values.forEach((value, index) => gauge.labels(index).set(value));
  assertEquals(Object.values(parse(metrics.render()).samples), values);
});

Deno.test("a value on a bound belongs to its bucket, and NaN to none", () => {
  const metrics = new Metrics();
  const histogram = metrics.histogram("a", "");
  for (const bound of DURATION_BUCKETS_SECONDS) histogram.observe(bound);
  const { samples } = parse(metrics.render());
  DURATION_BUCKETS_SECONDS.forEach((bound, index) =>
    assertEquals(samples[`a_bucket{le=${bound}}`], index + 1)
  );
  assertThrows(() => histogram.observe(NaN), RangeError);
  assertEquals(histogram.labels().count, DURATION_BUCKETS_SECONDS.length);
});

Deno.test("names and labels that the format does not allow, or that are taken, are refused", () => {
  const metrics = new Metrics();
  for (const name of ["", "1a", "a-b", "a b", "ä", "a\n"]) {
    assertThrows(() => metrics.counter(name, ""), TypeError);
    assertThrows(() => metrics.counter("a_total", "", [name]), TypeError);
  }
  for (const labels of [["__a"], ["a:b"], ["a", "a"]]) {
    assertThrows(() => metrics.gauge("a", "", labels), TypeError);
  }
  assertThrows(() => metrics.histogram("a", "", [1], ["le"]), TypeError);
  for (const bounds of [[], [1, 1], [2, 1], [NaN], [1, Infinity]]) {
    assertThrows(() => metrics.histogram("a", "", bounds), RangeError);
  }
  metrics.histogram("h", "", [1]);
  for (const name of ["h", "h_sum", "h_bucket", "h_count"]) {
    assertThrows(() => metrics.gauge(name, ""), TypeError);
  }
  metrics.counter("g_sum", "");
  assertThrows(() => metrics.histogram("g", "", [1]), TypeError);
  assertThrows(() => metrics.counter("g_sum", ""), TypeError);
  assertThrows(() => new Metrics({ seriesMax: 0 }), RangeError);
});

Deno.test("the handler answers with the text and says which version it is", async () => {
  const metrics = new Metrics();
  metrics.gauge("a", "help").set(1);
  const response = metrics.handler();
  assertEquals(response.status, 200);
  assertMatch(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  assertStringIncludes(await response.text(), "\na 1\n");
});

Deno.test("an error of a collector is the scrape's error", () => {
  const metrics = new Metrics();
  metrics.collect(() => {
    throw new RangeError("broken");
  });
  assertThrows(() => metrics.render(), RangeError, "broken");
});
