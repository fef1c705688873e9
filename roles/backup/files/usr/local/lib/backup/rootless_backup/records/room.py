# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""How much room there was on the disks of repositories, and when it will end as it goes on.

Of each day the last sample is kept: `[when, bytes free, bytes at all]`.
"""

from __future__ import annotations

from rootless_backup.figures import DAY, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Sample = list[float]

# It is told when the room will end within so many days, as it went in the last so many; and when less than this part is left.
SOON, LOOKED_AT = 14, 28
LITTLE = 0.02
# In fewer days one large night would be taken for the rule.
KNOWN_AFTER = 3


def taken(samples: list[Sample], new: Sample) -> list[Sample]:
    """The samples with one more."""
    # Of a time to come: the clock was set back.
    before = [sample for sample in samples if new[0] - LOOKED_AT * DAY <= sample[0] <= new[0] and sample[0] // DAY != new[0] // DAY]
    return [*before, new]


def days_left(samples: list[Sample]) -> float | None:
    """In how many days the room will end; None: it does not get less, or that is not known yet."""
    # A disk that was exchanged for another begins anew.
    samples = [sample for sample in samples if sample[2] == samples[-1][2]]
    if len(samples) < 2:
        return None
    days, less = (samples[-1][0] - samples[0][0]) / DAY, samples[0][1] - samples[-1][1]
    return samples[-1][1] / (less / days) if less > 0 and days >= KNOWN_AFTER else None


def warnings(known: Mapping[str, list[Sample]]) -> Iterator[str]:
    """What the administrator has to know in time, a line each."""
    for repository, samples in known.items():
        _when, free, total = samples[-1]
        days = days_left(samples)
        if days is not None and days < SOON:
            yield "the disk of %s will be full in %d days if it goes on like this; %s are free" % (repository, days, size(free))
        elif free < LITTLE * total:
            yield "the disk of %s is nearly full: %s are free" % (repository, size(free))
