"""Extensions against the processor."""

from sparkdoctor.facts import System, Torch, Triton
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok


@check
def wheel_for_other_machine(system: System, torch: Torch, triton: Triton | Missing) -> Verdict:
    """Installed extensions are for this processor.

    An environment copied from an x86-64 machine, or a wheel forced in by --platform, has libraries that the loader
    refuses: `cannot open shared object file` for a file that is there, or `wrong ELF class`.

    Sources:
    - System V ABI, e_machine in the header of libtorch_python.so and libtriton.so
    """
    found = {"PyTorch": torch.machine, "Triton": None if isinstance(triton, Missing) else triton.machine}
    wrong = {name: machine for name, machine in found.items() if machine and machine != system.architecture}
    if wrong:
        others = ", ".join(sorted(set(wrong.values())))
        return fail(
            f"{' and '.join(wrong)} in {torch.root} is built for {others}; this machine is {system.architecture}",
            expected=system.architecture,
            observed=others,
            remedy="Make the environment anew on this machine; wheels cannot be carried over from another kind.",
        )
    known = {name: machine for name, machine in found.items() if machine}
    return ok(
        f"{' and '.join(known)}: {system.architecture}" if known else "no library of them could be read",
        expected=system.architecture,
    )
