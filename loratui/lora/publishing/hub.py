"""Sending files to the Hugging Face hub. Speaks to the network; only when asked to."""

from __future__ import annotations

import hashlib
import importlib.util
import warnings
from collections.abc import Mapping
from pathlib import Path

from loratui.problems import UserError, refusal


def require_library() -> None:
    """Raises ``UserError`` when huggingface_hub is not installed."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise refusal(
            "", "sending needs huggingface_hub, which is not installed.", "pip install huggingface_hub"
        )


def upload(
    repo: str, files: Mapping[str, Path | bytes], *, private: bool, update: bool, message: str
) -> tuple[str, str]:
    """Make the repository and commit all files at once. Returns its address and the commit's number.

    The token is the environment's HF_TOKEN or that of the hub's own login file, and goes nowhere else.
    ``update`` allows a repository that is there already; its visibility stays. Raises ``UserError`` with
    one sentence when there is no token, no network, or the hub refuses.
    """
    require_library()
    from huggingface_hub import CommitOperationAdd, HfApi, constants, get_token
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if constants.HF_HUB_OFFLINE:
        raise refusal(repo, "HF_HUB_OFFLINE is set, so nothing goes out.", "Unset it, and try again.")
    disable_progress_bars()
    made = False
    try:
        token = get_token()
        if not token:
            raise refusal(
                repo, "there is no token for the hub.", "Set HF_TOKEN, or log in with: hf auth login"
            )
        api = HfApi(token=token)
        address = str(api.create_repo(repo, private=private, exist_ok=update))
        made = True
        operations = [CommitOperationAdd(name, content) for name, content in files.items()]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the hub's remarks on the card's style
            commit = api.create_commit(repo, operations, commit_message=message)
    except UserError:
        raise
    except Exception as error:  # the hub's, its network library's, the disk's: there is no common class
        problem = explain(repo, error)
        if made and not update:
            problem = refusal(
                repo,
                f"{problem.problems[0].message} The repository is made, and nothing is in it.",
                f"{problem.problems[0].fix} Then send it with --update.",
            )
        raise problem from None
    return address, commit.oid


def differing(repo: str, commit: str, files: Mapping[str, Path | bytes]) -> list[str]:
    """The names of those files that the hub does not hold just as they are here, by size and digest: sha256
    for large files, else git's own (sha1 over "blob SIZE" and the content). Raises ``UserError`` when the
    hub does not tell."""
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.hf_api import RepoFile

    try:
        there = HfApi(token=get_token()).get_paths_info(repo, list(files), revision=commit)
    except Exception as error:  # as above
        raise explain(repo, error) from None
    found = {row.path: row for row in there if isinstance(row, RepoFile)}
    return [name for name, content in files.items() if not _is_same(content, found.get(name))]


def _is_same(content: Path | bytes, there: object) -> bool:
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    large = getattr(there, "lfs", None)
    if getattr(there, "size", None) != size:
        return False
    digest = hashlib.sha256() if large else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    if isinstance(content, bytes):
        digest.update(content)
    else:
        with content.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest() == (large.sha256 if large else getattr(there, "blob_id", ""))


def explain(repo: str, error: Exception) -> UserError:
    """What went wrong between us and the hub, in a sentence. Says nothing of what was sent."""
    from huggingface_hub.errors import GatedRepoError, HFValidationError, OfflineModeIsEnabled

    status = getattr(getattr(error, "response", None), "status_code", None)
    owner = repo.partition("/")[0]
    match error:
        case OfflineModeIsEnabled():
            return refusal(repo, "the hub is switched off here (offline mode).", "Unset HF_HUB_OFFLINE.")
        case GatedRepoError():
            return refusal(
                repo, "the repository is gated and you have no access.", "Ask for access on its page."
            )
        case HFValidationError():
            return refusal(repo, "the hub does not allow this name.", "Choose another OWNER/NAME.")
    if status == 401:
        return refusal(
            repo,
            "the hub does not accept the token.",
            "Make a new one with write access at huggingface.co/settings/tokens, and set HF_TOKEN.",
        )
    if status == 403:
        return refusal(
            repo,
            f"the token may not write to {owner}.",
            f"Use a token with write access to {owner}, or another OWNER.",
        )
    if status == 404:
        return refusal(repo, "the hub knows no such owner or repository.", "Check OWNER/NAME.")
    if status == 409:
        return refusal(
            repo, "there is such a repository already.", "Choose another name, or add to it with --update."
        )
    if status == 413:
        return refusal(repo, "the hub finds it too large.", "Leave the sheet out, or make it smaller.")
    if status == 429:
        return refusal(repo, "the hub has had too many requests.", "Wait a few minutes, and try again.")
    if isinstance(error, ValueError) and "README.md" in str(error):
        found = " ".join(str(error).split())[:300]
        return refusal(
            repo, f"the hub does not accept the card: {found}", "Mend the lines between --- in it."
        )
    if status is not None:
        return refusal(repo, f"the hub answers with error {status}.", "Try again later.")
    if isinstance(error, OSError) or type(error).__module__.startswith("httpx"):
        return refusal(
            repo, "the hub cannot be reached.", "Check the connection (and HF_ENDPOINT), and try again."
        )
    return refusal(repo, f"sending failed ({type(error).__name__}).", "Try again later.")
