# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of SSH: what anybody gave as a public one is parsed and made anew, and private ones are made on the control node."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import shutil
import subprocess


class Unusable(Exception):
    """What somebody gave cannot be what it should be; the text says why."""


def public_key(content: bytes) -> str:
    """Type and base64 of a public key. Unusable: it is none; then nobody is asked to trust it."""
    words = content.decode("ascii", "replace").split()
    if len(words) < 2 or not re.fullmatch("ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)", words[0]):
        raise Unusable("what the host gave is no public key")
    try:
        inside = base64.b64decode(words[1].encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Unusable("what the host gave is no public key") from None
    # It says its own type, and is long enough for any key, see RFC 4253, 6.6.
    if not inside.startswith(len(words[0]).to_bytes(4, "big") + words[0].encode("ascii")) or not 40 <= len(inside) <= 4096:
        raise Unusable("what the host gave is no public key")
    return "%s %s" % (words[0], base64.b64encode(inside).decode("ascii"))


def authorized(command: str, key: str, comment: str) -> str:
    """The line of authorized_keys(5): the command is the user's shell's, in quotes in which only a quote needs escaping."""
    return 'command="%s",restrict %s %s' % (command.replace('"', '\\"'), key, comment)


def make(path: str, comment: str) -> None:
    """Make a private key, unless somebody else made one meanwhile, whole or not at all. OSError: it could not be made."""
    new = "%s.%d.new" % (path, os.getpid())
    for place in (new, new + ".pub"):
        if os.path.lexists(place):
            os.unlink(place)
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", new]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise OSError("ssh-keygen failed: %s" % run.stderr.strip())
    os.unlink(new + ".pub")
    put(new, path)


def copy(other: str, path: str) -> None:
    """Make a private key that is another one, unless somebody made one meanwhile."""
    new = "%s.%d.new" % (path, os.getpid())
    if os.path.lexists(new):
        os.unlink(new)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file, open(other, "rb") as source:
        shutil.copyfileobj(source, file)
        file.flush()
        os.fsync(file.fileno())
    put(new, path)


def put(new: str, path: str) -> None:
    """Give a private key a name, if nothing has it: of two that are made at the same time the first one stays."""
    if not os.path.lexists(path):
        # Of a key that was moved away: it would be let in, and the new one would not.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + ".pub")
    try:
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
    except OSError:
        # Where a file can have no second name.
        if not os.path.lexists(path):
            os.rename(new, path)
            return
    os.unlink(new)


def of_private(path: str) -> str | None:
    """The public key of a private one, as type and base64; None: there is none that can be used without a passphrase."""
    command = ["ssh-keygen", "-y", "-P", "", "-f", path]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    try:
        return public_key(run.stdout) if run.returncode == 0 else None
    except Unusable:
        return None
