from pathlib import Path

from k1edge.daemon.host_signs import HostSampler


def zone(folder: Path, number: int, text: str) -> None:
    (folder / f"thermal_zone{number}").mkdir()
    (folder / f"thermal_zone{number}" / "temp").write_text(text)


def test_the_hottest_zone_that_makes_sense_counts(tmp_path: Path) -> None:
    for number, text in enumerate(["48312\n", "51500\n", "-274000\n", "999000\n", "", "warm"]):
        zone(tmp_path, number, text)
    assert HostSampler(tmp_path).sample().temperature_c == 51.5


def test_no_zone_is_no_temperature(tmp_path: Path) -> None:
    assert HostSampler(tmp_path).sample().temperature_c is None
    zone(tmp_path, 0, "40000")
    sampler = HostSampler(tmp_path)
    (tmp_path / "thermal_zone0" / "temp").unlink()
    assert sampler.sample().temperature_c is None


def test_cpu_is_shared_over_the_time_since_the_last_sample(tmp_path: Path) -> None:
    sampler = HostSampler(tmp_path)
    assert sampler.sample().cpu_share is None  # no time has passed to speak of
    sampler._at_s -= 2.0
    sampler._cpu_s -= 1.0
    share = sampler.sample().cpu_share
    assert share is not None
    assert 0.4 < share < 0.8
