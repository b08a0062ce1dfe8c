"""Suites: what is tried. Each is frozen: its version stands for just these goals, and a test holds the two together."""

from collections.abc import Mapping

from outworks.nearest import did_you_mean
from outworks.trials.suites.reading import behaviours, canaries, everyday
from outworks.trials.suites.suite import Suite, SuiteError, merged, sampled

VERSIONS: Mapping[str, str] = {
    "canaries": "b2b8b7a9cff6ad7acae4182a49086d30f69cd31e9aeb1bf58cad9d6cfce835e8",
    "behaviours": "4f7434cfd2a925c68fc5cb6edad998d7a5991fe14f7a701a4bee93fe50dcfc0a",
    "everyday": "6111584c06905e3f12e511fdf776b0acad5ed3a3ddaf4a584b4c3089281e81cd",
}
"""The digest of each file's goals at its version. Whoever changes a goal raises the version in the file, and puts
the new digest here: a figure names both, so that figures of different goals are never compared."""


def names() -> tuple[str, ...]:
    """Every suite that can be asked for."""
    return (*VERSIONS, "quickstart", "all")


def suite(name: str) -> Suite:
    """The suite of this name. Raises `ValueError` for one that there is not, with the nearest name, and `SuiteError`
    where its goals are not those of its version."""
    if name not in names():
        raise ValueError(f"there is no suite {name!r}{did_you_mean(name, names(), 'known: ' + ', '.join(names()))}")
    if name == "all":
        return merged("all", [_frozen(each) for each in VERSIONS])
    if name == "quickstart":
        return merged(
            "quickstart",
            [
                sampled(_frozen("canaries"), every=3),
                sampled(_frozen("behaviours"), every=17),
                sampled(_frozen("everyday"), every=7),
            ],
        )
    return _frozen(name)


def _frozen(name: str) -> Suite:
    read = {"canaries": canaries, "behaviours": behaviours, "everyday": everyday}[name]()
    if read.digest != VERSIONS[name]:
        raise SuiteError(
            f"the suite {name!r} says it is version {read.version}, but its goals are not those of that version: raise "
            f"`version` in {name}.toml, and put {read.digest!r} into VERSIONS in suites/__init__.py"
        )
    return read


__all__ = ["VERSIONS", "Suite", "SuiteError", "names", "suite"]
