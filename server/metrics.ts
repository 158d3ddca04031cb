/**
 * Counters, gauges and histograms in the text format of Prometheus (version 0.0.4). No I/O: a string comes out.
 *
 * Strategy: counting is one addition on an object that the caller keeps (`labels()` finds it once); what is counted elsewhere
 * (a server's or hub's `stats`) is read by `collect` callbacks when somebody asks. Only rendering makes strings.
 *
 * Bounded: a metric has at most `seriesMax` combinations of label values. What comes beyond is counted under the one
 * combination whose values are all `_other`, so sums stay right and memory is bounded whatever clients send.
 *
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 *
 * @module
 */
import { Reply } from "./reply.ts";

/** Options of `Metrics`. */
export interface MetricsOptions {
  /** Combinations of label values per metric. Default 1,000: methods times statuses times some dozens of routes. */
  readonly seriesMax?: number;
}

/** A metric's name (text format: "metric_name"). */
const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
/** A label's name; two underscores at the start are Prometheus' own. */
const LABEL_NAME = /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/;
/** Value of every label of the series that counts what is beyond `seriesMax`. */
const OVERFLOW_VALUE = "_other";
/** Default of `MetricsOptions.seriesMax`; the reason is there. */
const SERIES_MAX = 1_000;
/** Media type of the text format, version included as it asks for. */
const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Upper bounds for durations of requests, seconds: from a cached answer on the same machine to the slowest first token. */
export const DURATION_BUCKETS_SECONDS: readonly number[] = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1],
  ...[0.25, 0.5, 1, 2.5, 5, 10, 30],
];

/** One series of a counter. */
export class CounterSeries {
  /** The count. */
  value = 0;

  /** @param by how much to add, from 0 on @throws RangeError for anything else: a counter never falls */
  inc(by = 1): void {
    if (!(by >= 0)) throw new RangeError(`Cannot add ${by} to a counter: it must be a number from 0 on`);
    this.value += by;
  }

  /** Takes over a total that is counted elsewhere. @param total from 0 on @throws RangeError for anything else */
  setTotal(total: number): void {
    if (!(total >= 0)) {
      throw new RangeError(`Cannot set a counter to ${total}: it must be a number from 0 on`);
    }
    this.value = total;
  }
}

/** One series of a gauge. */
export class GaugeSeries {
  /** The value now. */
  value = 0;

  /** @param value the value now */
  set(value: number): void {
    this.value = value;
  }

  /** @param by how much to add */
  inc(by = 1): void {
    this.value += by;
  }

  /** @param by how much to take away */
  dec(by = 1): void {
    this.value -= by;
  }
}

/** One series of a histogram. */
export class HistogramSeries {
  /** How many observations. */
  count = 0;
  /** Their sum. */
  sum = 0;
  /** Observations per bucket, not accumulated; the last one is above every bound. */
  readonly counts: Float64Array;
  readonly #bounds: readonly number[];

  /** @param bounds upper bounds, rising */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** Counts an observation. @param value in the unit of the bounds @throws RangeError for NaN, which would spoil the sum */
  observe(value: number): void {
    if (Number.isNaN(value)) throw new RangeError("Cannot observe NaN: it belongs to no bucket");
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++; // few bounds, and most values are low
    this.counts[bucket]! += 1;
    this.count++;
    this.sum += value;
  }
}

/** A metric: series by the values of its labels. Made by `Metrics`. */
export abstract class Metric<Series> {
  /** Its name. */
  readonly name: string;
  /** What it counts, in a sentence. */
  readonly help: string;
  /** What the format calls its kind. */
  abstract readonly type: string;
  readonly #labelNames: readonly string[];
  readonly #seriesMax: number;
  readonly #series = new Map<string, Series>();

  /** Made by `Metrics`, which checks what it is given. */
  constructor(name: string, help: string, labelNames: readonly string[], seriesMax: number) {
    this.name = name;
    this.help = help;
    this.#labelNames = [...labelNames];
    this.#seriesMax = seriesMax;
  }

  /**
   * The series of a combination of label values; keep it where it is used often.
   *
   * @param values one for each label, in their order; beyond `seriesMax` combinations, the series of `_other` is returned
   * @throws TypeError when there are more or fewer values than labels
   */
  labels(...values: readonly (string | number)[]): Series {
    if (values.length !== this.#labelNames.length) {
      throw new TypeError(
        `Cannot find a series of ${this.name}: it has ${this.#labelNames.length} labels, not ${values.length}`,
      );
    }
    const key = this.#key(values);
    const found = this.#series.get(key);
    if (found !== undefined) return found;
    if (values.length > 0 && this.#series.size >= this.#seriesMax) {
      const overflow = this.#key(values.map(() => OVERFLOW_VALUE));
      return this.#series.get(overflow) ?? this.#add(overflow);
    }
    return this.#add(key);
  }

  /** Its samples in the text format. */
  render(): string {
    let text = "";
    for (const [labels, series] of this.#series) text += this.renderSeries(labels, series);
    return text;
  }

  /** A new series. */
  protected abstract createSeries(): Series;
  /** The samples of one series. */
  protected abstract renderSeries(labels: string, series: Series): string;

  #key(values: readonly (string | number)[]): string {
    return values.map((value, index) => `${this.#labelNames[index]}="${escapeValue(String(value))}"`).join(
      ",",
    );
  }

  #add(key: string): Series {
    const series = this.createSeries();
    this.#series.set(key, series);
    return series;
  }
}

/** A number that only rises: requests, bytes, errors. */
export class Counter extends Metric<CounterSeries> {
  readonly type = "counter";

  /** For a counter without labels: see `CounterSeries.inc`. */
  inc(by = 1): void {
    this.labels().inc(by);
  }

  /** For a counter without labels: see `CounterSeries.setTotal`. */
  setTotal(total: number): void {
    this.labels().setTotal(total);
  }

  protected createSeries(): CounterSeries {
    return new CounterSeries();
  }

  protected renderSeries(labels: string, { value }: CounterSeries): string {
    return sample(this.name, labels, value);
  }
}

/** A number that rises and falls: connections open, bytes buffered. */
export class Gauge extends Metric<GaugeSeries> {
  readonly type = "gauge";

  /** For a gauge without labels: see `GaugeSeries.set`. */
  set(value: number): void {
    this.labels().set(value);
  }

  /** For a gauge without labels: see `GaugeSeries.inc`. */
  inc(by = 1): void {
    this.labels().inc(by);
  }

  /** For a gauge without labels: see `GaugeSeries.dec`. */
  dec(by = 1): void {
    this.labels().dec(by);
  }

  protected createSeries(): GaugeSeries {
    return new GaugeSeries();
  }

  protected renderSeries(labels: string, { value }: GaugeSeries): string {
    return sample(this.name, labels, value);
  }
}

/** How often values fell into which bucket: durations, sizes. */
export class Histogram extends Metric<HistogramSeries> {
  readonly type = "histogram";
  readonly #bounds: readonly number[];

  /** Made by `Metrics.histogram`, which checks what it is given. */
  constructor(
    name: string,
    help: string,
    bounds: readonly number[],
    labelNames: readonly string[],
    seriesMax: number,
  ) {
    super(name, help, labelNames, seriesMax);
    this.#bounds = bounds;
  }

  /** For a histogram without labels: see `HistogramSeries.observe`. */
  observe(value: number): void {
    this.labels().observe(value);
  }

  protected createSeries(): HistogramSeries {
    return new HistogramSeries(this.#bounds);
  }

  protected renderSeries(labels: string, { counts, count, sum }: HistogramSeries): string {
    const before = labels === "" ? "" : `${labels},`;
    let text = "";
    let below = 0;
    [...this.#bounds, Infinity].forEach((bound, index) => {
      below += counts[index]!;
      text += sample(`${this.name}_bucket`, `${before}le="${number(bound)}"`, below);
    });
    return text + sample(`${this.name}_sum`, labels, sum) + sample(`${this.name}_count`, labels, count);
  }
}

/**
 * A registry of metrics.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Metrics } from "@sluice/kit/server";
 *
 * const metrics = new Metrics();
 * const requests = metrics.counter("http_requests_total", "Requests answered.", ["status"]);
 * requests.labels(200).inc();
 * const stats = { open: 7 };
 * const open = metrics.gauge("connections_open", "Connections open now.");
 * metrics.collect(() => open.set(stats.open));
 * assertEquals(
 *   metrics.render(),
 *   "# HELP http_requests_total Requests answered.\n# TYPE http_requests_total counter\n" +
 *     'http_requests_total{status="200"} 1\n' +
 *     "# HELP connections_open Connections open now.\n# TYPE connections_open gauge\nconnections_open 7\n",
 * );
 * ```
 */
export class Metrics {
  readonly #seriesMax: number;
  readonly #metrics = new Map<string, Counter | Gauge | Histogram>();
  /** Names of samples, so that none is used twice. */
  readonly #names = new Set<string>();
  readonly #collectors: (() => void)[] = [];

  /** @param options the bound @throws RangeError for a `seriesMax` that is no whole number from 1 on */
  constructor(options: MetricsOptions = {}) {
    const { seriesMax = SERIES_MAX } = options;
    if (!Number.isSafeInteger(seriesMax) || seriesMax < 1) {
      throw new RangeError(`Cannot use ${seriesMax} as seriesMax: it must be a whole number from 1 on`);
    }
    this.#seriesMax = seriesMax;
  }

  /**
   * Registers a counter.
   *
   * @param name by custom it ends in `_total` @param help one sentence @param labelNames none by default
   * @throws TypeError for a bad name, or one that is taken
   */
  counter(name: string, help: string, labelNames: readonly string[] = []): Counter {
    return this.#register(new Counter(name, help, labelNames, this.#seriesMax), labelNames, [""]);
  }

  /**
   * Registers a gauge.
   *
   * @param name what is measured, unit last @param help one sentence @param labelNames none by default
   * @throws TypeError for a bad name, or one that is taken
   */
  gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge {
    return this.#register(new Gauge(name, help, labelNames, this.#seriesMax), labelNames, [""]);
  }

  /**
   * Registers a histogram.
   *
   * @param name what is measured, unit last, as in `http_first_byte_seconds`
   * @param help one sentence
   * @param bucketsSeconds upper bounds, finite and rising; the one above all of them is added
   * @param labelNames none by default
   * @throws TypeError for a bad name, or one that is taken; RangeError for bad bounds
   */
  histogram(
    name: string,
    help: string,
    bucketsSeconds: readonly number[] = DURATION_BUCKETS_SECONDS,
    labelNames: readonly string[] = [],
  ): Histogram {
    const isRising = bucketsSeconds.every((bound, index) =>
      Number.isFinite(bound) && (index === 0 || bound > bucketsSeconds[index - 1]!)
    );
    if (!isRising || bucketsSeconds.length === 0) {
      throw new RangeError(
        `Cannot register ${name}: its bounds must be finite and rising, not [${bucketsSeconds}]`,
      );
    }
    if (labelNames.includes("le")) {
      throw new TypeError(`Cannot register ${name}: "le" is the label of its buckets`);
    }
    const histogram = new Histogram(name, help, [...bucketsSeconds], labelNames, this.#seriesMax);
    return this.#register(histogram, labelNames, ["", "_bucket", "_sum", "_count"]);
  }

  /**
   * Runs `read` before every rendering, to take over what is counted elsewhere.
   *
   * @param read sets gauges and totals; what it throws comes out of `render`
   */
  collect(read: () => void): void {
    this.#collectors.push(read);
  }

  /** All metrics in the text format. */
  render(): string {
    for (const read of this.#collectors) read();
    let text = "";
    for (const metric of this.#metrics.values()) {
      text += `# HELP ${metric.name} ${escapeHelp(metric.help)}\n# TYPE ${metric.name} ${metric.type}\n`;
      text += metric.render();
    }
    return text;
  }

  /** A handler that answers with all metrics. */
  readonly handler = (): Response => new Reply(this.render(), { headers: { "content-type": CONTENT_TYPE } });

  #register<M extends Counter | Gauge | Histogram>(
    metric: M,
    labelNames: readonly string[],
    suffixes: readonly string[],
  ): M {
    const { name } = metric;
    if (!METRIC_NAME.test(name)) {
      throw new TypeError(`Cannot register ${JSON.stringify(name)}: it is no name of a metric`);
    }
    const badLabel = labelNames.find((label, index) =>
      !LABEL_NAME.test(label) || labelNames.indexOf(label) !== index
    );
    if (badLabel !== undefined) {
      throw new TypeError(`Cannot register ${name}: ${JSON.stringify(badLabel)} is no label, or there twice`);
    }
    const taken = suffixes.find((suffix) => this.#names.has(name + suffix));
    if (taken !== undefined) {
      throw new TypeError(`Cannot register ${name}: there is a ${name}${taken} already`);
    }
    for (const suffix of suffixes) this.#names.add(name + suffix);
    this.#metrics.set(name, metric);
    if (labelNames.length === 0) metric.labels(); // shown from the start, as 0
    return metric;
  }
}

function sample(name: string, labels: string, value: number): string {
  return labels === "" ? `${name} ${number(value)}\n` : `${name}{${labels}} ${number(value)}\n`;
}

/** A number as Go's `ParseFloat` reads it, which the format asks for. */
function number(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

function escapeHelp(help: string): string {
  return help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeValue(value: string): string {
  return escapeHelp(value).replaceAll('"', '\\"');
}
