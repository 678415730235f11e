"""What the journal holds."""

from orchestrator.record.entries import StudyRecord


def test_a_record_is_known_by_its_study_and_variant() -> None:
    def record(name: str, variant: str, title: str = "") -> StudyRecord:
        return StudyRecord(name=name, variant=variant, title=title, question="", tags={})

    keys = {record(name, variant).key for name in ("a", "b") for variant in ("1", "2")}
    assert len(keys) == 4
    assert record("a", "1", "one").key == record("a", "1", "other").key
