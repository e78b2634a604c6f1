"""Helpers of the stages that ask a language model: their prompts, and the options of section `llm`."""


def asks(wc, stage):
    """Whether a stage asks a language model."""
    return setting(stage, "engine")(wc) == "llm"


ENGINES = ("llm_engine", "induction", "naming", "sampling", "trial")  # files in engines/ that serve asking alone
ASKING = ("semacdr.llm", *(f"semacdr.semantics.{name}" for name in ENGINES))


def code_of(stage):
    """A function of the wildcards: the code that a stage runs, that of asking a language model only where it asks."""
    return lambda wc: code(f"semacdr.stages.{stage}", without=() if asks(wc, stage) else ASKING)


def prompts(wc, stage, *names):
    """The prompt files of a stage where a language model is asked; a changed one makes its answers stale."""
    return [f"{setting('llm', 'prompts')(wc)}/{name}.txt" for name in names] if asks(wc, stage) else []


def recorded(stage):
    """A function of the wildcards: files of answers that were recorded before."""
    return lambda wc: setting("llm", "recorded")(wc) if asks(wc, stage) else []


def shards(wc):
    """The answers of each shard, where the asking is shared out."""
    count = setting("semantics", "shards")(wc) if asks(wc, "semantics") else 1
    folder = f"results/{wc.scenario}/semantics/shards"
    return [f"{folder}/{shard}of{count}.parquet" for shard in range(1, count + 1)] if count > 1 else []


def stage_settings(wc, stage):
    """The settings of a stage that change its results, as one JSON object; those of engine llm only where it asks."""
    options = {"semantics": ("shards", "threads", "device"), "taxonomy": ()}[stage]
    of_llm = ("method", "llm") if stage == "semantics" else set(config["taxonomy"]) - {"engine", "file"}
    names = [name for name in config[stage] if name not in options and (asks(wc, stage) or name not in of_llm)]
    return f"--settings {quoted({name: setting(stage, name)(wc) for name in names})}"


def model_asked(wc, stage):
    """The options that determine what a language model answers a stage; none where it is not asked."""
    if not asks(wc, stage):
        return ""
    names = ("model", "weights", "parameters", "token_limit")
    return f"--llm-settings {quoted({name: setting('llm', name)(wc) for name in names})}"


def how_asked(wc, input, stage):
    """The options of how a stage comes by its answers. They change no result, and as `input` is among what they come
    from, Snakemake does not count them as a reason to run a job again."""
    if not asks(wc, stage):
        return ""
    names = ("prompts", "endpoint", "local", "store", "offline", "batch", "run_batch", "budget", "prices", "running")
    how = {name: setting("llm", name)(wc) for name in names}
    if stage == "taxonomy" and not how["run_batch"]:
        how["batch"] = ""  # few requests, each step's after the answers of the last: a day for each would be long
    if how["batch"]:  # a folder of each job's own: one process holds it
        how["batch"] = str(Path(how["batch"], wc.scenario, stage, wc.get("shard", "")))
    how["recorded"] = [*input.get("recorded", []), *input.get("shards", [])]
    return f"--llm-options {quoted(how)}"


def taxonomy_given(wc, input):
    """The options of what stage taxonomy reads."""
    return f"--items {input.catalogue}" if asks(wc, "taxonomy") else f"--taxonomy {input.given}"


def taxonomy_asked(wc):
    """The options of a taxonomy that a language model makes."""
    categories = " ".join(map(quoted, SCENARIOS[wc.scenario]["domains"].values()))
    return f"{model_asked(wc, 'taxonomy')} --avoid {categories}" if asks(wc, "taxonomy") else ""


def quoted(value):
    """A setting as one word of a shell command; what is no text as JSON."""
    return shlex.quote(value if isinstance(value, str) else json.dumps(value, sort_keys=True))
