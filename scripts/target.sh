# Sourced: names the target directory. One outside the clone is shared between clones where it exists.
shared=${XDG_CACHE_HOME:-$HOME/.cache}/hearing/target
if [ -z "${CARGO_TARGET_DIR:-}" ]; then
  [ "${CI:-}" = true ] && mkdir -p "$shared"
  if [ -d "$shared" ]; then CARGO_TARGET_DIR=$shared; else CARGO_TARGET_DIR=$PWD/target; fi
fi
export CARGO_TARGET_DIR
