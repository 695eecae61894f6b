"""Tables on a terminal."""

NAMES = {"floor": "floor", "haproxy": "HAProxy", "nginx": "NGINX", "envoy": "Envoy",
         "remora": "Remora", "remora-log": "Remora, access log"}


def number(value, digits=2, unit=""):
    return "-" if value is None else f"{value:,.{digits}f}{unit}"


def table(header, rows):
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = []
    for row in [header, *rows]:
        cells = [cell.rjust(width) for cell, width in zip(row, widths)]
        cells[0] = row[0].ljust(widths[0])
        lines.append("  " + "  ".join(cells))
    lines.insert(1, "  " + "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def load_table(results, scenario, kinds):
    header = ["", "CPU us/request", "user", "system", "MB/CPU-s", "requests/s", "p50 us", "p99 us",
              "p99.9 us", "errors", "x floor", "x HAProxy", "x NGINX"]
    rows = []
    for kind in kinds:
        if not results.rounds(scenario.name, kind):
            continue
        value = lambda field: results.value(scenario.name, kind, field)  # noqa: E731
        cpu, user = value("cpu_us"), results.user_us(scenario.name, kind)
        rows.append([
            NAMES[kind], number(cpu), number(user), number(None if user is None else cpu - user),
            number(value("mb_per_cpu_second"), 0), number(value("per_second"), 0),
            number(value("p50_us"), 0), number(value("p99_us"), 0), number(value("p999_us"), 0),
            str(sum(one["errors"] for one in results.rounds(scenario.name, kind))),
            *(number(results.ratio(scenario.name, kind, other))
              for other in ("floor", "haproxy", "nginx"))])
    noise = ", ".join(f"{NAMES[kind]} {results.noise(scenario.name, kind):.1%}" for kind in kinds
                      if results.rounds(scenario.name, kind))
    return f"{scenario.title}\n{table(header, rows)}\n  noise (MAD of CPU us/request): {noise}\n"


def memory_table(memory, kinds):
    header = ["", "idle Pss MB", "B/conn. 1,000", "B/conn. 9,000", "Pss, 9,000", "after burst MB",
              "and closed MB", "errors"]
    rows = []
    for kind in kinds:
        if kind not in memory:
            continue
        one = memory[kind]
        rows.append([
            NAMES[kind], number(one["idle"]["pss"] / 1e6, 1),
            number(one["few"]["anonymous_each"], 0), number(one["many"]["anonymous_each"], 0),
            number(one["many"]["pss_each"], 0), number(one["burst"]["pss"] / 1e6, 1),
            number(one["burst_closed"]["pss"] / 1e6, 1), str(one["errors"])])
    return "memory: idle keep-alive connections, user space only\n" + table(header, rows) + "\n"


def start_table(start, kinds):
    header = ["", "ms, median", "ms, each"]
    named = [*((kind, NAMES[kind]) for kind in kinds), ("ready", "Remora, /readyz")]
    rows = [[name, number(sorted(start[kind])[len(start[kind]) // 2] * 1000, 1),
             " ".join(f"{one * 1000:.0f}" for one in start[kind])]
            for kind, name in named if kind in start]
    title = "start: from exec to the first answer of 200, 1,000 servers"
    return f"{title}\n{table(header, rows)}\n"


def calls_table(calls, kinds):
    rows = [[NAMES[kind], number(calls[kind])] for kind in kinds if kind in calls]
    return "system calls for a request at saturation\n" + table(["", "calls"], rows) + "\n"


def bars_table(checked):
    rows = []
    for bar, measured, holds in checked:
        rows.append([bar.text, bar.limit_text(), number(measured), "-" if holds is None else
                     "yes" if holds else "NO"])
    return "bars\n" + table(["", "bar", "measured", "holds"], rows) + "\n"
