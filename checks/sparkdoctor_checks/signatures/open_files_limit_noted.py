"""The limit of open files."""

from sparkdoctor.plugin import Found, Verdict, ok, signature


@signature("RLIMIT_NOFILE hard limit {hard:int} is less than the desired limit {wanted:word}")
def open_files_limit_noted(found: Found) -> Verdict:
    """OpenFold3 would like to open more files than it may.

    It says so at each start where the limit is below 32768, and matters only with many processes that prepare data.

    Sources:
    - core/utils/script_utils.py of OpenFold3 0.3.1 to 0.5.0
    """
    return ok(f"{found['hard']} open files are enough for a prediction")
