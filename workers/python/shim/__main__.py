"""What `python shim.zip` runs; see asteri_worker/__main__.py."""
from asteri_worker.__main__ import main

main()
