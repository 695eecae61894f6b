"""Medians over rounds, and ratios within a round, both sides of which saw the same noise."""
import statistics


def median(values):
    values = list(values)
    return statistics.median(values) if values else None


class Results:
    def __init__(self, data):
        self.load = data.get("load", {})
        self.memory = data.get("memory", {})
        self.start = data.get("start", {})
        self.system_calls = data.get("system_calls", {})

    def rounds(self, scenario, kind):
        return self.load.get(scenario, {}).get(kind, [])

    def value(self, scenario, kind, field):
        return median(one[field] for one in self.rounds(scenario, kind))

    def ratio(self, scenario, kind, other, field="cpu_us", other_scenario=None):
        pairs = zip(self.rounds(scenario, kind), self.rounds(other_scenario or scenario, other))
        return median(mine[field] / theirs[field] for mine, theirs in pairs if theirs[field])

    def ratio_to_best(self, scenario, kind, others, field):
        """To the other that is lower in the median: the lower one of each round would be lower
        than either."""
        theirs = [rounds for rounds in (self.rounds(scenario, other) for other in others) if rounds]
        if not theirs:
            return None
        best = min(theirs, key=lambda rounds: median(one[field] for one in rounds))
        return median(mine[field] / its[field]
                      for mine, its in zip(self.rounds(scenario, kind), best))

    def user_share(self, scenario, kind):
        """Ticks are coarse, so those of all rounds are taken together."""
        rounds = self.rounds(scenario, kind)
        user = sum(one["user_ticks"] for one in rounds)
        both = user + sum(one["system_ticks"] for one in rounds)
        return user / both if both else None

    def user_us(self, scenario, kind):
        share, cpu = self.user_share(scenario, kind), self.value(scenario, kind, "cpu_us")
        return None if share is None or cpu is None else share * cpu

    def noise(self, scenario, kind):
        """Median absolute deviation of the CPU of a request, relative to its median."""
        values = [one["cpu_us"] for one in self.rounds(scenario, kind)]
        middle = median(values)
        return median(abs(value - middle) for value in values) / middle if middle else None
