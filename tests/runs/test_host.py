"""Memory against the container's limit, and room on the disk."""

from __future__ import annotations

from pathlib import Path

from loratui.runs.hardware.host import sample

GIB = 1 << 30


def machine(folder: Path, total: int, available: int) -> Path:
    path = folder / "meminfo"
    path.write_text(f"MemTotal:  {total // 1024} kB\nMemFree: 1 kB\nMemAvailable:  {available // 1024} kB\n")
    return path


def test_a_container_s_limit_counts_and_page_cache_does_not(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{16 * GIB}\n")
    (tmp_path / "memory.current").write_text(f"{12 * GIB}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {5 * GIB}\n")
    host = sample(tmp_path, tmp_path, machine(tmp_path, 64 * GIB, 40 * GIB))
    assert (host.memory_used, host.memory_limit, host.contained) == (7 * GIB, 16 * GIB, True)


def test_cgroup_v1_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/memory.limit_in_bytes").write_text(str(8 * GIB))
    (tmp_path / "memory/memory.usage_in_bytes").write_text(str(3 * GIB))
    (tmp_path / "memory/memory.stat").write_text(f"total_inactive_file {GIB}\n")
    host = sample(tmp_path, tmp_path, machine(tmp_path, 64 * GIB, 40 * GIB))
    assert (host.memory_used, host.memory_limit, host.contained) == (2 * GIB, 8 * GIB, True)


def test_without_a_limit_the_machine_s_memory_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5\n")
    host = sample(tmp_path, tmp_path, machine(tmp_path, 64 * GIB, 40 * GIB))
    assert (host.memory_used, host.memory_limit, host.contained) == (24 * GIB, 64 * GIB, False)


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    host = sample(tmp_path / "gone", tmp_path, tmp_path / "none")
    assert (host.memory_used, host.memory_limit, host.disk_free) == (None, None, None)


def test_this_machine_has_a_disk_and_memory(tmp_path: Path) -> None:
    host = sample(tmp_path)
    assert host.disk_free is not None
    assert host.disk_free > 0
    assert host.memory_limit is not None
    assert host.memory_used is not None
    assert 0 < host.memory_used < host.memory_limit
