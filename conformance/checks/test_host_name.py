"""config.md#hostname and config.md#domainname."""

from conformance.command import Runtime
from conformance.requirement import MUST, check, drop, forgive


@check(
    280,
    MUST,
    "config.md#hostname",
    "the container's processes see the host name of the configuration",
    drop("/hostname"),
)
def test_host_name(oci: Runtime) -> None:
    made = oci.probe()
    made.config["hostname"] = "conformance-host"
    assert oci.see(made)["hostname"] == "conformance-host"


@check(281, MUST, "config.md#hostname", "a host name without a UTS namespace is an error", forgive("create"))
def test_host_name_of_the_host(oci: Runtime) -> None:
    made = oci.probe()
    made.config["hostname"] = "conformance-host"
    made.config["linux"]["namespaces"] = [
        entry for entry in made.config["linux"]["namespaces"] if entry["type"] != "uts"
    ]
    oci.refuses(made)
