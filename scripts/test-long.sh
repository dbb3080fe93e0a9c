#!/usr/bin/env bash
# The long rows of the tests: more of the same, at full size. They come on top of those of test.sh, which has to pass too.
# Goes on after a stage that fails; prints the seconds of each, and which ones failed.
#   test-long.sh              all stages in order
#   test-long.sh STAGE ...    some, such as those that failed, after compile if they are tests:
#                             install npm web compile properties contract films buffers lies memory s3 cluster images kills
# DASH_XSD as for test.sh; PROPTEST_CASES=number has as many cases of each property.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/stages.sh

readonly stage_limit_s=$((6 * 3600))
# Without these the others cannot be.
readonly first=(install npm web compile)
readonly all=("${first[@]}" properties contract films buffers lies memory s3 cluster images kills)

# Without an index and at a broken rate; and open GOPs, a hole and an index.
readonly long_films='ts closed none 23.976 stereo 48000 long 7200,mov open some hole stereo 48000 whole 7200'

# The whole workspace is named, as in every run: with a part of it dependencies have other features and are compiled again.
run() { cargo test --profile ci --locked --workspace --no-fail-fast "$@"; }

# Another S3-compatible server, of another hand.
other_s3() {
  TEST_S3=$(scripts/go-tool.sh versitygw)
  export TEST_S3
}

run_stage() {
  case $1 in
    install) scripts/setup.sh long ;;
    npm | web | compile) set_up "$1" ;;
    # The variable goes before the number that a property has of its own, of which 2000 is the highest.
    properties) PROPTEST_CASES=${PROPTEST_CASES:-4000} run --lib --test documents --test fuzz --test origin ;;
    # Each case has a database, and up to 120 steps with an audit after each.
    contract) PROPTEST_CASES=${PROPTEST_CASES:-1000} run --test contract ;;
    # Every film of the table, each made whole, those of two hours too.
    films) TEST_FILMS=all TEST_WHOLE=all TEST_JOINS=long run --test exact -- --nocapture ;;
    # What a browser buffers of each, and of two of those of two hours: their head, their middle and their tail.
    buffers)
      cd players
      TEST_FILMS=short node --test test/exact.test.mjs
      TEST_FILMS="$long_films" node --test test/exact.test.mjs
      ;;
    # Every lie that an encoder can tell, two of a promise among them, and what the example promises.
    lies) TEST_LIES=all run --test it plugins:: -- --nocapture ;;
    # 10 GiB through the server, which must not grow with them, and 2 GiB where each packet is read or the bytes go
    # into a bucket. One after the other: they take as much of the disk, and twice as much in a bucket.
    memory)
      TEST_UPLOAD_BYTES=$((10 << 30)) TEST_READ_UPLOAD_BYTES=$((2 << 30)) TEST_BUCKET_UPLOAD_BYTES=$((2 << 30)) \
        run --test it takes_no_more_memory -- --nocapture --test-threads 1
      # The longest chunks are of 40 s.
      TEST_1080P60_S=90 run --test it 1080p60 -- --nocapture
      ;;
    # It is killed and started again.
    s3)
      other_s3
      run --test contract on_s3 -- --nocapture
      run --test it bucket -- --nocapture
      ;;
    # Every fault of every part, the same server among them, before all three players: in test.sh the bucket is on the test
    # kit's, and hls.js plays.
    cluster)
      other_s3
      cd players
      TEST_FAULTS=all node --test test/cluster.test.mjs
      ;;
    # What the images install and run, in fresh systems and with the rights of containers, and what the demo does in one.
    images) scripts/images.sh ;;
    kills) TEST_KILLS=20 TEST_KILL_FILM_S=240 run --test it recovery -- --nocapture ;;
  esac
}

if [ "${1:-}" = stage ]; then
  run_stage "$2"
  exit
fi
stages=()
add() { [[ " ${stages[*]} " == *" $1 "* ]] || stages+=("$1"); }
for stage in "${@:-${all[@]}}"; do
  [[ " ${all[*]} " == *" $stage "* ]] || { echo "test-long.sh: no stage '$stage'; there are: ${all[*]}" >&2; exit 64; }
  # Some start what was compiled, and what is tested is what lies here now.
  [[ " ${first[*]} " == *" $stage "* ]] || add compile
  add "$stage"
done

begin_table
for stage in "${stages[@]}"; do
  if ! time_stage "$stage" "$stage_limit_s" && [[ " ${first[*]} " == *" $stage "* ]]; then
    echo "test-long.sh: without '$stage' the others cannot be" >&2
    exit 1
  fi
done
[ ${#failed[@]} = 0 ] || exit 1
