"""The repository's index by tritonclient."""


def test_the_index_lists_every_version(triton):
    index = triton.get_model_repository_index()
    assert [entry["version"] for entry in index if entry["name"] == "versions"] == ["1", "2", "10"]
    assert {entry["state"] for entry in index} == {"READY"}
    assert {"name": "digits", "version": "1", "state": "READY", "reason": ""} in index
