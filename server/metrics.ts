/**
 * A registry of metrics and their rendering for Prometheus (text format 0.0.4). No I/O: a string comes out.
 *
 * Strategy: what is counted elsewhere (a server's or a hub's `stats`) is not counted twice: a `collect` callback reads it when
 * somebody asks. Bounded by `seriesMax`, see `metric.ts`.
 *
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 *
 * @module
 */
import { Counter, escapeHelp, Gauge, Histogram } from "./metric.ts";
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
/** Default of `MetricsOptions.seriesMax`; the reason is there. */
const SERIES_MAX = 1_000;
/** Media type of the text format, version included as it asks for. */
const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Upper bounds for durations of requests, seconds: from a cached answer on the same machine to the slowest first token. */
export const DURATION_BUCKETS_SECONDS: readonly number[] = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1],
  ...[0.25, 0.5, 1, 2.5, 5, 10, 30],
];

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

  /** Makes an empty registry. @param options the bound @throws RangeError for a `seriesMax` that is no whole number from 1 on */
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
