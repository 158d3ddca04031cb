/**
 * Metrics and their series: what is counted, and how it looks in the text format of Prometheus.
 *
 * Strategy: a metric finds a series by the values of its labels, once; counting on it is one addition. Only rendering makes
 * strings. A metric has a bounded number of series: what comes beyond is counted in the one whose values are all `_other`.
 *
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 *
 * @module
 */

/** Value of every label of the series that counts what is beyond `seriesMax`. */
const OVERFLOW_VALUE = "_other";

/** One series of a counter. */
export class CounterSeries {
  /** The count. */
  value = 0;

  /** Counts. @param by how much to add, from 0 on @throws RangeError for anything else: a counter never falls */
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

  /** Sets it. @param value the value now */
  set(value: number): void {
    this.value = value;
  }

  /** Raises it. @param by how much to add */
  inc(by = 1): void {
    this.value += by;
  }

  /** Lowers it. @param by how much to take away */
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

  /** Makes one without observations. @param bounds upper bounds, rising */
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
  /** What the format calls its kind. */
  readonly type = "counter";

  /** For a counter without labels: see `CounterSeries.inc`. */
  inc(by = 1): void {
    this.labels().inc(by);
  }

  /** For a counter without labels: see `CounterSeries.setTotal`. */
  setTotal(total: number): void {
    this.labels().setTotal(total);
  }

  /** See `Metric`. */
  protected createSeries(): CounterSeries {
    return new CounterSeries();
  }

  /** See `Metric`. */
  protected renderSeries(labels: string, { value }: CounterSeries): string {
    return sample(this.name, labels, value);
  }
}

/** A number that rises and falls: connections open, bytes buffered. */
export class Gauge extends Metric<GaugeSeries> {
  /** What the format calls its kind. */
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

  /** See `Metric`. */
  protected createSeries(): GaugeSeries {
    return new GaugeSeries();
  }

  /** See `Metric`. */
  protected renderSeries(labels: string, { value }: GaugeSeries): string {
    return sample(this.name, labels, value);
  }
}

/** How often values fell into which bucket: durations, sizes. */
export class Histogram extends Metric<HistogramSeries> {
  /** What the format calls its kind. */
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

  /** See `Metric`. */
  protected createSeries(): HistogramSeries {
    return new HistogramSeries(this.#bounds);
  }

  /** See `Metric`. */
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

function sample(name: string, labels: string, value: number): string {
  return labels === "" ? `${name} ${number(value)}\n` : `${name}{${labels}} ${number(value)}\n`;
}

/** A number as Go's `ParseFloat` reads it, which the format asks for. */
function number(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

/** Escapes what would end a line of help. @param help any text */
export function escapeHelp(help: string): string {
  return help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeValue(value: string): string {
  return escapeHelp(value).replaceAll('"', '\\"');
}
