import marshal
import sys
from importlib._bootstrap_external import MAGIC_NUMBER

sources = marshal.load(sys.stdin.buffer)
code = {path: marshal.dumps(compile(source, "<asteri-loop>/" + path, "exec", dont_inherit=True)) for path, source in sources.items()}
sys.stdout.buffer.write(marshal.dumps((MAGIC_NUMBER + sys.version.encode(), code)))
