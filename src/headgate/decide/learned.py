"""What was learned from answers: prompt tokens per character, output lengths, speeds. Estimates are upper bounds.

Prompt tokens of a model follow a line: overhead of its chat template + slope x a weighted count of characters. The
line is fitted to every returned usage with slow forgetting; what is reserved lies a margin above it.
Output lengths are kept per model and task as counts in buckets that grow by 8 %, from which quantiles are read.
"""

import math
from dataclasses import dataclass, field
from typing import Final

from headgate.domain.answer import Usage
from headgate.domain.request import PromptSize
from headgate.domain.time import Seconds

# Characters per token, o200k vocabulary, measured 2026-11 (English, digits and codes, Hindi, Chinese, the rest).
PER_LATIN: Final = 1 / 4.4
PER_DIGIT: Final = 1 / 1.9
PER_INDIC: Final = 1 / 2.9
PER_HAN: Final = 1 / 1.3
PER_OTHER: Final = 1 / 2.2
PER_MESSAGE: Final = 5.0
PER_TOOL: Final = 12.0
PER_IMAGE: Final = 2048.0

PRIOR_SLOPE: Final = 1.1
PRIOR_OVERHEAD: Final = 110.0
PRIOR_SPREAD: Final = 2.0
MARGIN_SPREADS: Final = 3.0
SCALE_TOKENS: Final = 6.0
SCALE_SHARE: Final = 0.03
"""A miss is measured in units of 6 tokens and 3 % of the prompt: long prompts miss by more than short ones."""
FORGET: Final = 0.99
MIN_PROMPTS: Final = 5

GROWTH: Final = 1.08
LOG_GROWTH: Final = math.log(GROWTH)
MIN_ANSWERS: Final = 20
SURE_ANSWERS: Final = 400
PRIOR_OUTPUT_TOKENS: Final = 1024
QUANTILE: Final = 0.995
NORMAL_QUANTILE: Final = 2.576
MOST_COUNTED: Final = 4000.0
SAMPLED: Final = 4
MAX_TASKS: Final = 2000
LEAST_TARGET_S: Final[Seconds] = 2.0


def weight(prompt: PromptSize) -> float:
    """The prompt's tokens by average ratios, before what is learned of the model."""
    latin, digits, messages = prompt.latin * PER_LATIN, prompt.digits * PER_DIGIT, prompt.messages * PER_MESSAGE
    if not (prompt.indic or prompt.han or prompt.other or prompt.tools or prompt.images):  # as most are
        return latin + digits + messages
    return (
        latin
        + digits
        + prompt.indic * PER_INDIC
        + prompt.han * PER_HAN
        + prompt.other * PER_OTHER
        + messages
        + prompt.tools * PER_TOOL
        + prompt.images * PER_IMAGE
    )


@dataclass(slots=True)
class PromptLine:
    """Prompt tokens of one model as a line over `weight`, with the spread around it."""

    n: float = 0.0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    slope: float = PRIOR_SLOPE
    overhead: float = PRIOR_OVERHEAD
    spread_squared: float = PRIOR_SPREAD**2
    heaviest: float = 0.0

    def upper_bound(self, at: float) -> int:
        """Prompt tokens that a prompt of this weight will hardly exceed; wider far outside what was seen."""
        tokens = self.overhead + self.slope * at
        tokens += MARGIN_SPREADS * math.sqrt(self.spread_squared) * (SCALE_TOKENS + SCALE_SHARE * at)
        if at > self.heaviest:
            tokens += 0.25 * (at - self.heaviest)
        return math.ceil(tokens)

    def weight_within(self, tokens: int) -> float:
        """The heaviest prompt that `upper_bound` puts at these tokens or fewer; 0.0 where none is."""
        margin = MARGIN_SPREADS * math.sqrt(self.spread_squared)
        slope, left = self.slope + margin * SCALE_SHARE, tokens - self.overhead - margin * SCALE_TOKENS
        at = left / slope
        if at > self.heaviest:
            at = (left + 0.25 * self.heaviest) / (slope + 0.25)
        return max(0.0, at * (1.0 - 1e-9))

    def learn(self, at: float, tokens: int) -> None:
        """One answer told how many tokens a prompt of this weight had."""
        miss = (tokens - (self.overhead + self.slope * at)) / (SCALE_TOKENS + SCALE_SHARE * at)
        self.n = self.n * FORGET + 1
        self.x = self.x * FORGET + at
        self.y = self.y * FORGET + tokens
        self.xx = self.xx * FORGET + at * at
        self.xy = self.xy * FORGET + at * tokens
        if at > self.heaviest:
            self.heaviest = at
        if self.n < MIN_PROMPTS:
            return
        rate = 0.05 if self.n > 20 else 0.2
        self.spread_squared += rate * (min(miss * miss, 16 * self.spread_squared) - self.spread_squared)
        variance = self.n * self.xx - self.x * self.x
        if variance > 1e-6 * self.n * self.xx:
            slope = (self.n * self.xy - self.x * self.y) / variance
            self.slope = min(3.0, max(0.4, slope))
        self.overhead = min(2000.0, max(-200.0, (self.y - self.slope * self.x) / self.n))


@dataclass(slots=True)
class Lengths:
    """Output lengths of one model and task, as counts per bucket with forgetting."""

    seen: int = 0
    total: float = 0.0
    counts: dict[int, float] = field(default_factory=dict)
    longest: int = 0
    sum_log: float = 0.0
    sum_log_squared: float = 0.0
    quantile_tokens: int = PRIOR_OUTPUT_TOKENS
    mean_tokens: float = 256.0
    stale: int = 0
    skipped: int = 0

    def learn(self, tokens: int) -> None:
        """One answer had this many output tokens (reasoning included)."""
        log = math.log(tokens) if tokens > 1 else 0.0
        bucket = int(log / LOG_GROWTH)
        self.counts[bucket] = self.counts.get(bucket, 0.0) + 1.0
        self.total += 1.0
        self.seen += 1
        if tokens > self.longest:
            self.longest = tokens
        self.sum_log += log
        self.sum_log_squared += log * log
        self.mean_tokens += (tokens - self.mean_tokens) * (1 / self.seen if self.seen < 100 else 0.01)
        if self.total > MOST_COUNTED:
            self._halve()
        self.stale += 1
        if self.seen >= MIN_ANSWERS and (self.stale >= 10 or self.seen == MIN_ANSWERS):
            self.stale = 0
            self.quantile_tokens = self._quantile()

    def _quantile(self) -> int:
        """The 99.5th percentile; while answers are few, stretched by what a log-normal with their spread would say."""
        left, above = (1.0 - QUANTILE) * self.total, 0.0
        edge = 1
        for bucket in sorted(self.counts, reverse=True):
            above += self.counts[bucket]
            if above > left:
                edge = math.ceil(GROWTH ** (bucket + 1))
                break
        if self.total >= SURE_ANSWERS:
            return edge
        mean = self.sum_log / self.total
        spread = math.sqrt(max(0.0, self.sum_log_squared / self.total - mean * mean))
        fitted = math.ceil(math.exp(mean + NORMAL_QUANTILE * spread))
        return max(edge, min(fitted, math.ceil(1.5 * self.longest)))

    def _halve(self) -> None:
        self.counts = {bucket: n / 2 for bucket, n in self.counts.items() if n > 0.01}
        self.total /= 2
        self.sum_log /= 2
        self.sum_log_squared /= 2


@dataclass(slots=True)
class Speed:
    """How fast a model answers: time to the first token, and tokens a second after it."""

    seen: int = 0
    first_s: Seconds = 0.0
    first_spread_s: Seconds = 0.0
    tokens_per_s: float = 0.0

    def learn(self, first_s: Seconds | None, tokens: int, generating_s: Seconds | None) -> None:
        """One answer took this long to its first token (when that was seen) and this long to generate."""
        if first_s is not None:
            self.seen += 1
            rate = 1 / self.seen if self.seen < 20 else 0.05
            miss = first_s - self.first_s
            self.first_s += rate * miss
            self.first_spread_s += rate * (abs(miss) - self.first_spread_s)
        if generating_s and tokens > 0:
            speed = tokens / generating_s
            self.tokens_per_s += (speed - self.tokens_per_s) * (0.05 if self.tokens_per_s else 1.0)

    def target_s(self, longest_s: Seconds) -> Seconds:
        """How long to wait for a first token before calling it slow: well past what is usual, `longest_s` at most."""
        if self.seen < MIN_ANSWERS:
            return longest_s
        usual_s = 4 * (self.first_s + 4 * self.first_spread_s)
        if usual_s < LEAST_TARGET_S:
            usual_s = LEAST_TARGET_S
        return usual_s if usual_s < longest_s else longest_s


@dataclass(slots=True)
class Learned:
    """All that is learned, by model and by model and task. Bounded: the oldest task is forgotten first."""

    prompts: dict[str, PromptLine] = field(default_factory=dict)
    outputs: dict[str, Lengths] = field(default_factory=dict)
    speeds: dict[str, Speed] = field(default_factory=dict)

    def prompt_tokens(self, model: str, prompt_weight: float) -> int:
        """An upper estimate of the prompt's tokens at this model, from `weight` of its size."""
        return self._line(model).upper_bound(prompt_weight)

    def weight_within(self, model: str, tokens: int) -> float:
        """The heaviest prompt that is estimated at these tokens or fewer at this model."""
        return self._line(model).weight_within(tokens)

    def _line(self, model: str) -> PromptLine:
        line = self.prompts.get(model)
        if line is None:
            line = self.prompts[model] = PromptLine()
        return line

    def lengths(self, model: str, task: str) -> Lengths:
        """Output lengths of the task at the model."""
        name = f"{model} {task}" if task else model
        found = self.outputs.get(name)
        if found is None:
            if len(self.outputs) >= MAX_TASKS:
                del self.outputs[next(iter(self.outputs))]
            found = self.outputs[name] = Lengths()
        return found

    def speed(self, model: str) -> Speed:
        """Speeds of the model."""
        found = self.speeds.get(model)
        if found is None:
            found = self.speeds[model] = Speed()
        return found

    def absorb(
        self,
        model: str,
        task: str,
        prompt_weight: float,
        usage: Usage,
        cap_tokens: int,
        was_cut: bool,
        first_s: Seconds | None,
    ) -> None:
        """Learn from one answer; of prompts only where the weight is known (not 0.0). One that our own cap cut counts
        as half as long again: its true length is unknown.

        Once much is known of a model and task, every fourth answer is enough.
        """
        lengths = self.lengths(model, task)
        if lengths.seen >= SURE_ANSWERS and not was_cut:
            lengths.skipped += 1
            if lengths.skipped % SAMPLED:
                return
        if prompt_weight:
            self._line(model).learn(prompt_weight, usage.prompt_tokens)
        lengths.learn(cap_tokens * 3 // 2 if was_cut else usage.completion_tokens)
        self.speed(model).learn(first_s, usage.completion_tokens, usage.completion_time_s)
