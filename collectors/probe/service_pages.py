"""What the metrics of inference servers mean, in the words of the catalogue. Pure: pages in, rows out.

Sources: docs.vllm.ai/en/latest/design/metrics.html, and the families of 0.6 and 0.26; Triton's
docs/user_guide/metrics.md, and the statistics of its TensorRT-LLM backend; docs.sglang.io production_metrics;
text-generation-inference's metrics reference. An engine's counts add up, its ratios don't: the fullest one is told.
Quantiles are never read: Triton's may be nonsense.
"""

from collections import deque

from .cells import NOT_YET_CODE, UNSUPPORTED, Missing

SUM, MAX, RATE, MEAN = "sum", "max", "rate", "mean"
WINDOW_SECONDS = 30.0
_FIRST = Missing(NOT_YET_CODE, "the first answer: it takes two")
_QUIET = Missing(NOT_YET_CODE, "nothing of the kind in the last half minute")
_MOST_MODELS = 8

# kind -> (prefixes of its names, label that names the model)
_KINDS = {
    "triton": (("nv_inference_", "nv_trt_llm_"), "model"),  # before vllm: its vLLM backend shows both
    "vllm": (("vllm:",), "model_name"),
    "sglang": (("sglang:",), "model_name"),
    "tgi": (("tgi_",), ""),
}

# kind, metric, how, factor, name: of several lines for one metric the first that a page has. NAME{label=a|b} are those
# samples alone; of a mean NAME stands for NAME_sum / NAME_count, and A/B for these two.
_TABLE = """
vllm   running      sum  1    vllm:num_requests_running
vllm   waiting      sum  1    vllm:num_requests_waiting
vllm   kv_cache     max  100  vllm:kv_cache_usage_perc
vllm   kv_cache     max  100  vllm:gpu_cache_usage_perc
vllm   request_rate rate 1    vllm:request_success_total
vllm   prompt_rate  rate 1    vllm:prompt_tokens_total
vllm   token_rate   rate 1    vllm:generation_tokens_total
vllm   first_token  mean 1    vllm:time_to_first_token_seconds
vllm   per_token    mean 1    vllm:inter_token_latency_seconds
vllm   per_token    mean 1    vllm:time_per_output_token_seconds
vllm   per_token    mean 1    vllm:request_time_per_output_token_seconds
vllm   latency      mean 1    vllm:e2e_request_latency_seconds
vllm   queue_time   mean 1    vllm:request_queue_time_seconds
vllm   requests     sum  1    vllm:request_success_total{finished_reason=stop|length}
vllm   failures     sum  1    vllm:request_success_total{finished_reason=error}
vllm   preemptions  sum  1    vllm:num_preemptions_total
triton running      sum  1    nv_trt_llm_request_metrics{request_type=scheduled}
triton waiting      sum  1    nv_inference_pending_request_count
triton waiting      sum  1    nv_trt_llm_request_metrics{request_type=waiting}
triton kv_cache     max  100  nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=fraction}
triton request_rate rate 1    nv_inference_request_success
triton first_token  mean 1e-3 nv_inference_first_response_histogram_ms
triton latency      mean 1e-6 nv_inference_request_duration_us/nv_inference_request_success
triton queue_time   mean 1e-6 nv_inference_queue_duration_us/nv_inference_request_success
triton requests     sum  1    nv_inference_request_success
triton failures     sum  1    nv_inference_request_failure
sglang running      sum  1    sglang:num_running_reqs
sglang waiting      sum  1    sglang:num_queue_reqs
sglang kv_cache     max  100  sglang:token_usage
sglang request_rate rate 1    sglang:num_requests_total
sglang prompt_rate  rate 1    sglang:prompt_tokens_total
sglang token_rate   rate 1    sglang:generation_tokens_total
sglang first_token  mean 1    sglang:time_to_first_token_seconds
sglang per_token    mean 1    sglang:inter_token_latency_seconds
sglang per_token    mean 1    sglang:time_per_output_token_seconds
sglang latency      mean 1    sglang:e2e_request_latency_seconds
sglang queue_time   mean 1    sglang:queue_time_seconds
sglang requests     sum  1    sglang:num_requests_total
sglang failures     sum  1    sglang:num_aborted_requests_total
tgi    running      sum  1    tgi_batch_current_size
tgi    waiting      sum  1    tgi_queue_size
tgi    request_rate rate 1    tgi_request_success
tgi    prompt_rate  rate 1    tgi_request_input_length_sum
tgi    token_rate   rate 1    tgi_request_generated_tokens_sum
tgi    per_token    mean 1    tgi_request_mean_time_per_token_duration
tgi    latency      mean 1    tgi_request_duration
tgi    queue_time   mean 1    tgi_request_queue_duration
tgi    requests     sum  1    tgi_request_success
tgi    failures     sum  1    tgi_request_failure
"""

METRICS = ("running", "waiting", "kv_cache", "request_rate", "prompt_rate", "token_rate", "first_token", "per_token",
           "latency", "queue_time", "requests", "failures", "preemptions")  # fmt: skip


class _Source:
    """Samples of one name, those with certain values of a label alone where it is given."""

    __slots__ = ("label", "name", "values")

    def __init__(self, text: str) -> None:
        self.name, _, rest = text.partition("{")
        self.label, _, values = rest.rstrip("}").partition("=")
        self.values = frozenset(values.split("|"))

    def numbers(self, by_name: dict) -> "list[float]":
        samples = by_name.get(self.name, ())
        fitting = [one.value for one in samples if not self.label or one.labels.get(self.label) in self.values]
        return [value for value in fitting if value == value]


class _Line:
    """A line of the table. `sources`: one, or two for a mean."""

    __slots__ = ("factor", "how", "metric", "sources")

    def __init__(self, metric: str, how: str, factor: str, name: str) -> None:
        self.metric = metric
        self.how = how
        self.factor = float(factor)
        names = [name] if how != MEAN else name.split("/") if "/" in name else [name + "_sum", name + "_count"]
        self.sources = [_Source(one) for one in names]

    def sums(self, by_name: dict) -> "list[float] | None":
        """What the page has of each source; None where it lacks one."""
        found = [source.numbers(by_name) for source in self.sources]
        join = max if self.how == MAX else sum
        return [join(numbers) for numbers in found] if all(found) else None


def _read_table() -> dict:
    table = {}
    for line in _TABLE.strip().splitlines():
        kind, *words = line.split()
        table.setdefault(kind, []).append(_Line(*words))
    table["triton"] += table["vllm"]  # its vLLM backend adds that server's metrics to its own
    return table


_READ = _read_table()
_WANTED = frozenset(source.name for lines in _READ.values() for line in lines for source in line.sources)


def is_wanted(name: str) -> bool:
    return name in _WANTED


def kind_of(page) -> str:
    """Which server a page is of, "" where of none; by its families, since one without requests has few samples."""
    names = [*page.kinds, *(sample.name for sample in page.samples)]
    for kind, (prefixes, _) in _KINDS.items():
        if any(name.startswith(prefixes) for name in names):
            return kind
    return ""


def models(page, kind: str) -> str:
    """The models that a server's samples name."""
    label = _KINDS[kind][1]
    found = sorted({sample.labels.get(label, "") for sample in page.samples} - {""})
    more = ["…"] if len(found) > _MOST_MODELS else []
    return ",".join(found[:_MOST_MODELS] + more)


class Window:
    """Counts of the last half minute. Where one of them shrinks the server was restarted, and it begins anew."""

    def __init__(self) -> None:
        self._kept = deque()  # (at, counts)

    def clear(self) -> None:
        self._kept.clear()

    def since(self, at: float, counts: dict) -> "tuple[float, dict] | None":
        """Time and counts to compare with; None where there are none yet. These counts are kept."""
        if self._kept and any(value < self._kept[-1][1].get(name, value) for name, value in counts.items()):
            self._kept.clear()
        while len(self._kept) > 1 and at - self._kept[1][0] >= WINDOW_SECONDS:
            self._kept.popleft()
        base = self._kept[0] if self._kept else None
        self._kept.append((at, counts))
        return base


def row(page, kind: str, window: Window, at: float) -> dict:
    """The metrics of one server; `at` in seconds that only grow."""
    by_name = {}
    for sample in page.samples:
        by_name.setdefault(sample.name, []).append(sample)
    told, counts = dict.fromkeys(METRICS, UNSUPPORTED), {}
    for line in _READ[kind]:
        known = line.metric in counts or told[line.metric] is not UNSUPPORTED
        sums = None if known else line.sums(by_name)
        if sums is None:
            continue
        if line.how in (SUM, MAX):
            told[line.metric] = round(sums[0] * line.factor, 3)
        else:
            counts[line.metric] = (line, sums)
    told.update(_changes(counts, window, at))
    return told


def _changes(counts: dict, window: Window, at: float) -> dict:
    """Rates and means since the window began."""
    flat = {(metric, part): value for metric, (_, sums) in counts.items() for part, value in enumerate(sums)}
    base = window.since(at, flat)
    if base is None or at <= base[0]:
        return dict.fromkeys(counts, _FIRST)
    seconds, before = at - base[0], base[1]
    changes = {}
    for metric, (line, sums) in counts.items():
        grown = [value - before.get((metric, part), value) for part, value in enumerate(sums)]
        if line.how == RATE:
            changes[metric] = round(grown[0] * line.factor / seconds, 3)
        else:
            changes[metric] = round(grown[0] * line.factor / grown[1], 6) if grown[1] > 0 else _QUIET
    return changes
