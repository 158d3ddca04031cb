"""Python's ProcessPoolExecutor, measured as measure.ts does; prints the figures as one JSON line."""

import json
import resource
import statistics
import time
from concurrent.futures import ProcessPoolExecutor


def noop(value):
    return value


def length(data):
    return len(data)


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def times_us(count, run):
    times = []
    for index in range(count):
        start = time.perf_counter()
        run(index)
        times.append((time.perf_counter() - start) * 1e6)
    return times


def cpu_seconds():
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def computation_seconds(workers):
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(fibonacci, [18] * 8))
        start = time.perf_counter()
        list(pool.map(fibonacci, [21] * 32))
        return time.perf_counter() - start


if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool:
        times_us(500, lambda i: pool.submit(noop, i).result())
        round_trip = statistics.median(times_us(2000, lambda i: pool.submit(noop, i).result()))
        before, start = cpu_seconds(), time.perf_counter()
        for future in [pool.submit(noop, i) for i in range(50_000)]:
            future.result()
        seconds = time.perf_counter() - start
        own = (cpu_seconds() - before) / 50_000 * 1e6
        data = bytes(1 << 20)
        copy = statistics.median(times_us(40, lambda _: pool.submit(length, data).result()))
    print(json.dumps({
        "roundTripUs": round_trip,
        "bulkPerSecond": 50_000 / seconds,
        "bulkCpuUs": own,
        "copyUs": copy,
        "transferUs": None,
        "scaling": computation_seconds(1) / computation_seconds(2),
    }))
