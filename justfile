# The commands of the project. `just` lists them; each also runs on its own.

default:
    @just --list

# Import a real volume, cut out, write back, draw the result into demo/
demo:
    scripts/demo

# Install whatever the tests need, and pass them
test:
    scripts/test

# Compare with TensorStore and CloudVolume
bench *ARGS:
    bench/run {{ARGS}}

# Use arrays from many processes that are killed, stopped and forked, for so many minutes, and check what is read
soak MINUTES="10" *ARGS:
    scripts/soak {{MINUTES}} {{ARGS}}

# Fuzz every decoder for the given number of seconds each
fuzz SECONDS="60":
    fuzz/run.sh {{SECONDS}}

# Unit tests under AddressSanitizer, and under Miri where there is one
sanitize *FILTERS:
    scripts/sanitize {{FILTERS}}
