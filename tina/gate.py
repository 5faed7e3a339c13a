"""The gate before anything starts: the whole grid composed and checked, every problem told at once.

It runs before Hydra's own main, since Hydra stops at the first mistake, lets `+misspelt=1` through, and starts arm 1
before it has looked at arm 5. It imports no torch, so a mistake costs a second and not a model load.
"""

import copy
import difflib
import itertools
import json
import re
import shlex
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tina import canonical, checks, configs, identity
from tina.configs import CONF, ROOT, SCHEMAS, typed
from tina.errors import UserError
from tina.launch.settings import CLUSTER, SlurmSettings
from tina.schema import EvaluateConfig, TrainConfig

COMPOSE_ERRORS = (HydraException, OmegaConfBaseException, AssertionError, ValueError)
"""What composing raises for a mistake; OmegaConf asserts when a key is set in a group that was left out, and a choice
that is no name is a ValueError."""


@dataclass(frozen=True)
class Arm:
    """One run of a grid: what was swept, and the configuration that it composes to."""

    swept: dict[str, str]
    typed: TrainConfig | EvaluateConfig
    config: dict[str, Any]
    """The same as plain dictionaries."""
    digest: str
    folder: Path

    @property
    def label(self) -> str:
        """`lora.rank=4, seed=1`: what was swept."""
        return ", ".join(f"{key}={value}" for key, value in self.swept.items())

    @property
    def done(self) -> bool:
        return identity.is_done(self.config)


@dataclass(frozen=True)
class Grid:
    """A checked grid; every arm may start exactly when `problems` is empty."""

    arms: list[Arm]
    axes: dict[str, list[str]]
    """Swept key to its overrides, `{"lora.rank": ["lora.rank=4", "lora.rank=8"]}`."""
    problems: list[str]
    launcher: str = "sequential"
    source: str = "command line"
    """The sweep file that the grid came from, if it did."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The launcher's."""


@dataclass(frozen=True)
class Groups:
    """The folders in which configuration groups lie: conf/, the repository for sweeps/, and what a user adds."""

    folders: tuple[Path, ...]

    @classmethod
    def of(cls, overrides: Sequence[Override], config_name: str, config_dir: str | None) -> tuple["Groups", list[str]]:
        """Those of a command line, which Hydra searches from now on, and what is wrong with them."""
        loader = GlobalHydra.instance().config_loader()
        if config_dir is not None:
            path = f"file://{Path(config_dir).resolve()}"
            loader.config_search_path.prepend("command-line", path, SearchPathQuery(provider="schema"))
            loader.repository = ConfigRepository(loader.config_search_path)
        added = [o.input_line for o in overrides if o.get_key_element() == "hydra.searchpath"]
        try:
            with warnings.catch_warnings():  # of folders that are not there
                warnings.simplefilter("ignore")
                sources = compose(config_name, added, return_hydra_config=True).hydra.runtime.config_sources
        except COMPOSE_ERRORS as error:
            return cls((CONF, ROOT)), [_first_line(error)]
        folders = tuple(Path(source.path) for source in sources if source.schema == "file")
        problems = [f"There is no folder {path} to search for groups." for path in folders if not path.is_dir()]
        if added and ROOT not in folders and not problems:
            problems = [f"{added[0]} takes the place of the suite's own folders: use --config-dir=<folder> instead."]
        return cls(folders), problems

    def has(self, group: str) -> bool:
        return any((folder / group).is_dir() for folder in self.folders)

    def choices(self, group: str) -> list[str]:
        return sorted({choice for folder in self.folders for choice in configs.choices(folder / group)})

    def no_choice(self, group: str, choice: str) -> str:
        """That there is no such choice, and which there are."""
        if choice == "null":
            return f"{group}=null is no choice: to leave {group} out, write ~{group}."
        choices = self.choices(group)
        close = difflib.get_close_matches(choice, choices, n=3, cutoff=0.4)
        nearest = f"did you mean {' or '.join(close)}? " if close else ""
        return f"There is no {group}={choice}: {nearest}The choices are {', '.join(choices)}."


PASSED: list[Arm] = []
"""The arms of this process's command line, once it went through: what a launcher starts."""


def check(arguments: Sequence[str], multirun: bool, config_name: str = "train", config_dir: str | None = None) -> Grid:
    """Compose and check every arm of a command line (its overrides); find ALL problems, in words.

    `config_dir` is a folder of the user's, with groups as in conf/.
    """
    with initialize_config_dir(str(CONF), version_base="1.3"):
        overrides, problems = _parse(arguments)
        groups, more = Groups.of(overrides, config_name, config_dir)
        problems += more + _given_twice(overrides)
        known, more = _without_unknown(overrides, SCHEMAS[config_name], groups)
        problems += more
        fixed = [o.input_line for o in known if not o.is_sweep_override()]
        swept = [o for o in known if o.is_sweep_override()]
        good, more = _composable(fixed, config_name, groups)
        problems += more
        try:
            hydra = compose(config_name, good, return_hydra_config=True).hydra
        except COMPOSE_ERRORS as error:
            return Grid([], {}, [*problems, _first_line(error)])
        in_file = _sweep_of_file(hydra)
        problems += _misused_sweep(overrides, swept, in_file, multirun)
        good += [o.input_line for o in in_file if not o.is_sweep_override()]
        taken = {o.key_or_group for o in swept}
        swept = [o for o in in_file if o.is_sweep_override() and o.key_or_group not in taken] + swept
        axes = {o.key_or_group: _choices(o) for o in swept}
        problems += _odd_axes(swept, axes, groups)
        arms, cache = [], {}
        for choices in itertools.product(*axes.values()):
            arm, more = _compose_arm(good, dict(zip(axes, choices, strict=True)), config_name, groups, cache)
            problems += more
            arms += [arm] if arm else []
    if config_name == "train":
        problems += _without_effect([*axes, *_plain_keys(fixed, groups)], arms) or _same_arms(arms)
    problems = _unique(problems)
    choices = hydra.runtime.choices
    files = [f"{group}/{choices[group]}.yaml" for group in choices if group.split("/")[0] == "sweeps"]
    source = files[0] if files else "command line"
    launcher, settings = choices["hydra/launcher"], OmegaConf.to_container(hydra.launcher, resolve=True)
    if not launcher.startswith("_") and launcher not in groups.choices("hydra/launcher"):  # one that Hydra brings
        problems.append(groups.no_choice("hydra/launcher", launcher))
    problems += _misplaced(config_name, launcher, settings, multirun, arms)
    return Grid(arms, axes, problems, launcher, source, settings)


def _misplaced(
    config_name: str, launcher: str, settings: Mapping[str, Any], multirun: bool, arms: Sequence[Arm]
) -> list[str]:
    """What is wrong with starting these arms by a launcher; Hydra itself runs a single one here, whatever launcher."""
    if (config_name == "evaluate") != (launcher == "_in_process"):
        return [f"hydra/launcher={launcher} cannot start {config_name}.py: leave it out."]
    if not launcher.startswith(CLUSTER):
        return []
    if not multirun:
        return [
            f"hydra/launcher={launcher} queues jobs, and without -m the training would start on this machine: add -m, "
            "or hydra/launcher=sequential to run it here."
        ]
    from tina.launch import rules

    return rules.problems([arm.config for arm in arms], SlurmSettings(**settings))


def _odd_axes(swept: Iterable[Override], axes: Mapping[str, Sequence[str]], groups: Groups) -> Iterable[str]:
    for override in swept:
        choices = axes[override.key_or_group]
        if not choices:
            yield f"{override.input_line} stands for no value at all."
        elif groups.has(override.key_or_group) and (parts := [choice for choice in choices if "=_" in choice]):
            key = override.get_key_element()
            yield f"{parts[0]} is only a part of others: write {key}=glob(*,exclude=_*)."


def _choices(override: Override) -> list[str]:
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


def _sweep_of_file(hydra: DictConfig) -> list[Override]:
    """The axes that a sweep file brought with it."""
    params = hydra.sweeper.get("params") or {}
    return OverridesParser.create().parse_overrides([f"{key}={value}" for key, value in params.items()])


def _misused_sweep(
    overrides: Sequence[Override], swept: Sequence[Override], in_file: Sequence[Override], multirun: bool
) -> Iterable[str]:
    """What Hydra would do silently: run one arm of a sweep, drop a grid, let one of two axes win."""
    keys = ", ".join(o.key_or_group for o in [*in_file, *swept])
    if keys and not multirun:
        yield f"{keys} has several values: add -m to sweep over them, or give one value."
    for override in overrides:
        key = override.key_or_group
        if override.is_sweep_override() and (key == "sweeps" or key.startswith("sweeps/")):
            yield f"{override.input_line}: sweep files cannot be swept over; `python -m tina.study` runs several."
        if any(key == o.key_or_group for o in in_file):
            yield f"{key} is an axis of the sweep file and given again ({override.input_line}): leave one of them out."


def _parse(arguments: Sequence[str]) -> tuple[list[Override], list[str]]:
    parser, overrides, problems = OverridesParser.create(GlobalHydra.instance().config_loader()), [], []
    for argument in arguments:
        try:
            (override,) = parser.parse_overrides([argument])
        except HydraException:
            quoted, told = _in_quotes(argument, parser)
            problems.append(told)
            overrides += quoted
            continue
        key = override.get_key_element()
        if not key:
            problems.append(f"{argument!r} is not an override: write key=value, or group=choice.")
        elif override.is_interval_sweep():
            problems.append(f"{argument} names no values to run: list them, as {key}=1,2,3 or {key}=range(1,4).")
        else:
            overrides.append(override)
    return overrides, problems


def _in_quotes(argument: str, parser: OverridesParser) -> tuple[list[Override], str]:
    """An argument that is no override as it would be with its value in quotes, since that may hold what Hydra's grammar
    takes for its own; and what to say about it."""
    key, separator, value = argument.partition("=")
    escaped = value.replace("'", "\\'")
    quoted = f"{key}='{escaped}'"
    try:
        override = parser.parse_overrides([quoted if separator else ""])
    except HydraException:
        return [], f"{argument!r} is not an override: write key=value, or group=choice."
    word = shlex.quote(quoted) if re.search(r'["$`!\\]', quoted) else f'"{quoted}"'
    return override, f"{argument} cannot be read, for what is in its value: put it in quotes, {word}."


def _given_twice(overrides: Iterable[Override]) -> list[str]:
    """Hydra takes the last of two overrides of one key without a word."""
    seen: dict[str, str] = {}
    problems = []
    for override in overrides:
        key = override.key_or_group
        if key in seen:
            problems.append(f"{key} is given twice ({seen[key]} and {override.input_line}): keep one of them.")
        seen[key] = override.input_line
    return problems


def _without_unknown(overrides: Sequence[Override], schema: type, groups: Groups) -> tuple[list[Override], list[str]]:
    """The overrides but for `+key=value` of keys that nothing would read, and a sentence for each of these.

    Hydra lets them through; left in, they would keep every arm from being checked further.
    """
    unknown = [
        o
        for o in overrides
        if (o.is_add() or o.is_force_add())
        and not o.key_or_group.startswith("hydra")
        and not groups.has(o.key_or_group)
        and not _is_known(o.key_or_group, schema)
    ]
    return [o for o in overrides if o not in unknown], [unknown_key(o.key_or_group, schema) for o in unknown]


def _composable(overrides: list[str], config_name: str, groups: Groups) -> tuple[list[str], list[str]]:
    """The overrides that compose together, and a sentence for each that does not."""
    try:
        compose(config_name, overrides)
        return overrides, []
    except COMPOSE_ERRORS:
        kept, problems = [], []
    for override in overrides:
        try:
            compose(config_name, [*kept, override])
            kept.append(override)
        except COMPOSE_ERRORS as error:
            problems.append(_in_words(override, error, SCHEMAS[config_name], groups))
    return kept, problems


def _composed(
    fixed: list[str], choices: list[str], config_name: str, groups: Groups, cache: dict[tuple[str, ...], Any]
) -> DictConfig:
    """One arm's configuration: Hydra composes each combination of group choices once, plain values are set on a copy.

    The values are set by the code with which Hydra sets them at the end of its own composition, so nothing differs but
    that a grid of 100 arms takes seconds.
    """
    chosen = [choice for choice in choices if choice[0] in "+~" or groups.has(choice.partition("=")[0])]
    key = (*fixed, *chosen)
    if key not in cache:
        cache[key] = compose(config_name, list(key))
    config = copy.deepcopy(cache[key])
    values = OverridesParser.create().parse_overrides([choice for choice in choices if choice not in chosen])
    ConfigLoaderImpl._apply_overrides_to_config(values, config)
    return config


def _compose_arm(
    fixed: list[str], swept: dict[str, str], config_name: str, groups: Groups, cache: dict[tuple[str, ...], Any]
) -> tuple[Arm | None, list[str]]:
    choices = list(swept.values())
    try:
        config = _composed(fixed, choices, config_name, groups, cache)
        if unusable := [*_unknown_keys(config, SCHEMAS[config_name]), *_missing(config)]:
            return None, unusable
        composed = typed(config, SCHEMAS[config_name])
    except UserError as error:
        return None, [str(error)]
    except COMPOSE_ERRORS as error:
        _, problems = _composable([*fixed, *choices], config_name, groups)
        return None, problems or [_first_line(error)]
    problems = checks.problems(composed)
    values = asdict(composed)
    digest, folder = ("", Path()) if problems else _place(values, config_name)
    arm = Arm({key: value.split("=", 1)[1] for key, value in swept.items()}, composed, values, digest, folder)
    where = f" (at {', '.join(choices)})" if choices else ""
    return (None if problems else arm), [f"{problem}{where}" for problem in problems]


def _place(config: Mapping[str, Any], config_name: str) -> tuple[str, Path]:
    if config_name == "train":
        return identity.digest(config), identity.run_folder(config)
    return identity.text_digest(json.dumps(config, sort_keys=True, default=str)), Path()


def _unknown_keys(config: DictConfig, schema: type, prefix: str = "", whole: type | None = None) -> list[str]:
    """Keys that `+key=` brought in and that no dataclass has: Hydra lets them through, and nothing would read them."""
    known, whole = {field.name: field.type for field in fields(schema)}, whole or schema
    problems = []
    for key in config:
        if key == "hydra" and not prefix:
            continue
        if key not in known:
            problems.append(unknown_key(f"{prefix}{key}", whole))
        elif (group := _group(known[key])) and OmegaConf.is_dict(config._get_node(key)):
            problems += _unknown_keys(config._get_node(key), group, f"{prefix}{key}.", whole)
    return problems


def _missing(config: DictConfig) -> list[str]:
    """Values that a chosen file leaves to the user (`???`); without a word they would become the schema's defaults."""
    missing = sorted(key for key in OmegaConf.missing_keys(config) if not key.startswith("hydra."))
    return [f"{key} is not set, and has to be: add {key}=<value>." for key in missing]


def _group(annotation: Any) -> type | None:
    """The dataclass that a field holds, `Model` of `Model` and of `Model | None`; a mapping's values are no group."""
    if get_origin(annotation) is dict:
        return None
    return next((kind for kind in (annotation, *get_args(annotation)) if is_dataclass(kind)), None)


def schema_keys(schema: type) -> list[str]:
    """The dotted name of every key of a configuration."""

    def walk(schema: type, prefix: str) -> Iterable[str]:
        for leaf in fields(schema):
            yield prefix + leaf.name
            if group := _group(leaf.type):
                yield from walk(group, f"{prefix}{leaf.name}.")

    return list(walk(schema, ""))


def _is_known(key: str, schema: type) -> bool:
    """Is it a key of the schema, or one below a free mapping such as `trainer`?"""
    known = schema_keys(schema)
    groups = {name.rpartition(".")[0] for name in known}
    return key in known or any(key.startswith(f"{name}.") for name in known if name not in groups)


def unknown_key(key: str, schema: type) -> str:
    close = difflib.get_close_matches(key, schema_keys(schema), n=3, cutoff=0.5)
    hint = f": did you mean {' or '.join(close)}?" if close else f": the groups are {', '.join(_groups())}."
    return f"There is no key {key}{hint}"


def _groups() -> list[str]:
    return sorted(p.name for p in CONF.iterdir() if p.is_dir() and p.name != "hydra")


def _in_words(override: str, error: Exception, schema: type, groups: Groups) -> str:
    """Why Hydra refused one override: an unknown group choice or key, a group left out, a value of the wrong type."""
    key, _, value = override.lstrip("+~").partition("=")
    key = key.split("@")[0]
    if groups.has(key) and value not in groups.choices(key):
        return groups.no_choice(key, value)
    if not key.startswith("hydra") and not groups.has(key) and not _is_known(key, schema):
        return unknown_key(key, schema)
    if isinstance(error, AssertionError):
        return f"{override} cannot be used alone: {key.split('.')[0]}=<choice> must be given before it."
    return f"{override} cannot be used: {_cause(error)}"


def _cause(error: BaseException) -> str:
    """The first line of the innermost error: OmegaConf says there what was wrong with the value."""
    while error.__cause__ is not None:
        error = error.__cause__
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    told = str(error) or str(error.__cause__)
    return told.strip().splitlines()[0].rstrip(".") + "."


def _plain_keys(overrides: Iterable[str], groups: Groups) -> list[str]:
    """The keys that are given a value, and not a group that is chosen."""
    keys = [override.lstrip("+").partition("=")[0] for override in overrides if not override.startswith("~")]
    return [key for key in keys if not key.startswith("hydra") and not groups.has(key)]


def _without_effect(keys: Iterable[str], arms: Sequence[Arm]) -> list[str]:
    """Keys that were given and change nothing in any arm, with the setting that is why."""
    void = [canonical.without_effect(arm.config) for arm in arms]

    def why(key: str, of_arm: Mapping[str, str]) -> str | None:
        return next((told for name, told in of_arm.items() if key == name or key.startswith(f"{name}.")), None)

    reasons = {key: [why(key, of_arm) for of_arm in void] for key in keys}
    return [
        f"{key} changes nothing that runs, because of {told[0]}: leave {key} out, or change that."
        for key, told in reasons.items()
        if told and all(told)
    ]


def _same_arms(arms: Sequence[Arm]) -> list[str]:
    """Two arms with one digest are one experiment: a swept key that changes nothing, or a value given twice."""
    seen: dict[str, Arm] = {}
    problems = []
    for arm in arms:
        if arm.digest in seen:
            other = seen[arm.digest].label
            problems.append(f"{arm.label} and {other} are the same run: remove one of them from the sweep.")
        seen.setdefault(arm.digest, arm)
    return problems


def _unique(problems: Iterable[str]) -> list[str]:
    """Each problem once: a grid of 100 arms shares most of its mistakes."""
    found: dict[str, str] = {}
    for problem in problems:
        found.setdefault(problem.split(" (at ")[0], problem)
    return list(found.values())
