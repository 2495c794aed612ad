#!/bin/sh
# Runs pytest with three workers, and what fails in it once more, alone and in a new process.
#
#   tests/run.sh PYTHON [pytest's arguments]
#
# A test that passes alone is said to be unsteady, by name, at the end: a defect to mend, but not one of the product's answers.
# More than three such tests, one for each worker, are no chance any more, and the run has failed (docs/decisions/0009-once-more-alone.md).
set -u
python=$1
shift
workers=3
# the workers share the cores: linear algebra with threads of its own would only get in their way
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"
# hundreds of processes are started: let none of them compile our modules anew
unset PYTHONDONTWRITEBYTECODE
ls -d */__init__.py 2>/dev/null | xargs -r -n 1 dirname | xargs -r "$python" -m compileall -q -j 2
failed=.pytest_cache/v/cache/lastfailed
rm -f "$failed"
# much of a test is waiting for another process: on two cores two workers leave a third of the time unused
"$python" -m pytest -n $workers --dist loadfile --no-loadscope-reorder "$@"
status=$?
[ "$status" -eq 1 ] && [ -s "$failed" ] || exit "$status"
names=$("$python" -c 'import json, sys; print("\n".join(json.load(open(sys.argv[1]))))' "$failed")
# workers that cannot agree on what there is to run are no test
if printf '%s\n' "$names" | grep -qv '\.py'; then
    exit 1
fi
count=$(printf '%s\n' "$names" | wc -l)
if [ "$count" -gt "$workers" ]; then
    echo "$count tests failed: too many to try once more."
    exit 1
fi
echo "Once more, alone, what failed:"
echo "$names"
"$python" -m pytest --last-failed --last-failed-no-failures none "$@" || exit 1
echo "UNSTEADY: passed only when tried once more, alone, and is to be mended:"
echo "$names"
