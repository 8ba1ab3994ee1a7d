"""`python -m sparkdoctor`."""

from sparkdoctor.cli import main

if __name__ == "__main__":
    main()
