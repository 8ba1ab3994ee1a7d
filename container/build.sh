#!/usr/bin/env bash
# Builds an image for DGX Spark, mends it and compiles its kernels on the GPU, and proves that a fresh container of it is ready.
set -euo pipefail

PROGRAM=${0##*/}
HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=nvcr.io/nvidia/pytorch
CACHE=/var/cache/spark
WEIGHTS=/opt/openfold3/weights
REPORT=/opt/sparkdoctor/report.json

usage() {
  cat <<END
Usage: $PROGRAM [OPTIONS]

Builds container/Dockerfile.spark, lets \`sparkdoctor fix\` mend it and compile its kernels in a container with the GPU, commits
that, and checks a fresh container of the result. The tag is given only to an image that has passed.

  --base IMAGE          what to build on, with a tag [$REPOSITORY:25.11-py3]
  --openfold3 VERSION   of PyPI; "" for none [0.5.0]
  --sparkdoctor VERSION of PyPI [this source tree]
  --tag NAME            of the image [openfold3-spark:TAG OF THE BASE-VERSION OF OPENFOLD3]
  --profile NAME        what is demanded of it [openfold3-spark; dgx-spark without OpenFold3]
  --user UID:GID        whom its containers run as, and who owns the caches [0:0]
  --weights DIR         your weights, mounted while it is examined; they do not come into the image
  --weights-secret FILE a configuration of curl that fetches the weights into the image
  --cache-volume NAME   keep the compiled kernels in this volume, not in the image; mount it at $CACHE
  --no-gpu              build only: nothing is mended or compiled, and the first use of a kernel takes its time
  --dry-run             print the commands, run none
  -h, --help            this text

\$DOCKER is the program that is called (docker; podman does as well), \$BUILD_OPTIONS and \$RUN_OPTIONS are passed to its build and
run, split at blanks (an --env of these stays in the image). \$TMPDIR holds a report for a moment.

Exit status: 0 the image is there and ready; 1 it is not, and what to do is said; 2 wrong usage.
END
}

say() { printf '%s: %s\n' "$PROGRAM" "$*" >&2; }
die() { say "$1"; shift; for line in "$@"; do printf '  %s\n' "$line" >&2; done; exit 1; }
misuse() { say "$1"; printf '  %s --help tells the options.\n' "$PROGRAM" >&2; exit 2; }

# Runs a command, or prints it where nothing is to be done.
run() {
  if [[ -n $dry ]]; then printf '%q ' "$@"; printf '\n'; else "$@"; fi
}

base=$REPOSITORY:25.11-py3 openfold3=0.5.0 sparkdoctor='' tag='' profile='' owner=0:0
weights='' secret='' volume='' gpu=yes dry=''
while (($#)); do
  case $1 in
    --base | --openfold3 | --sparkdoctor | --tag | --profile | --user | --weights | --weights-secret | --cache-volume)
      (($# > 1)) || misuse "$1 takes a value"
      case $1 in
        --base) base=$2 ;;
        --openfold3) openfold3=$2 ;;
        --sparkdoctor) sparkdoctor=$2 ;;
        --tag) tag=$2 ;;
        --profile) profile=$2 ;;
        --user) owner=$2 ;;
        --weights) weights=$2 ;;
        --weights-secret) secret=$2 ;;
        --cache-volume) volume=$2 ;;
      esac
      shift 2
      ;;
    --no-gpu) gpu='' && shift ;;
    --dry-run) dry=yes && shift ;;
    -h | --help) usage && exit ;;
    *) misuse "there is no option $1" ;;
  esac
done

# The tag of the base: what follows the last colon of its last part, without a digest.
name=${base##*/} && name=${name%@*}
base_tag=${name#*:}
[[ $name == *:* && $base_tag =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]*$ && $base_tag != latest ]] ||
  misuse "--base $base has no tag that names a version; the caches are named after it"
[[ $owner =~ ^[0-9]+:[0-9]+$ ]] || misuse "--user $owner is not UID:GID, in numbers: \$(id -u):\$(id -g)"
[[ -z $weights || -d $weights ]] || misuse "--weights $weights is no directory"
[[ -z $secret || -f $secret ]] || misuse "--weights-secret $secret is no file"
[[ -z $weights ]] || weights=$(cd -- "$weights" && pwd)
: "${profile:=$([[ -n $openfold3 ]] && echo openfold3-spark || echo dgx-spark)}"
: "${tag:=$([[ -n $openfold3 ]] && echo "openfold3-spark:$base_tag-$openfold3" || echo "spark:$base_tag")}"

export DOCKER_BUILDKIT=1
docker=${DOCKER:-docker}
read -ra build_options <<<"${BUILD_OPTIONS:-}"
read -ra run_options <<<"${RUN_OPTIONS:-}"
if [[ -z $dry ]]; then
  command -v -- "$docker" >/dev/null || die "there is no $docker here" \
    'Install Docker (it is part of DGX OS), or name another program: DOCKER=podman'
  engine=$("$docker" --version) || die "$docker --version failed: is it docker or podman?"
  said=$("$docker" info 2>&1 >/dev/null) || die "$docker does not answer: ${said%%$'\n'*}" \
    "If it is a matter of permission: sudo usermod -aG docker \"\$USER\", then log in again." \
    'If the daemon is not running: sudo systemctl start docker'
else
  engine=$docker
fi
# podman has the GPU by the Container Device Interface.
case $engine in
  *podman*) with_gpu=(--device nvidia.com/gpu=all) ;;
  *) with_gpu=(--gpus all) ;;
esac
[[ -n $gpu ]] || with_gpu=()
# As NVIDIA starts its containers; `sparkdoctor env --docker-run` tells the same.
container=("${with_gpu[@]}" --ipc=host --ulimit memlock=-1 --ulimit stack=67108864 "${run_options[@]}")
[[ -z $weights ]] || container+=(--volume "$weights:$WEIGHTS:ro")
[[ -z $volume ]] || container+=(--volume "$volume:$CACHE")

worker=spark-build-$$
candidate=localhost/$worker:candidate
work=''
clean() {
  status=$?
  trap - EXIT
  if [[ -z $dry ]]; then
    "$docker" rm --force "$worker" >/dev/null 2>&1 || true
    # Its layers are kept, for the next build.
    "$docker" rmi --no-prune "$candidate" >/dev/null 2>&1 || "$docker" rmi "$candidate" >/dev/null 2>&1 || true
    [[ -z $work ]] || rm -rf -- "$work"
  fi
  exit "$status"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- 1. build

say "building on $base"
arguments=(--file "$HERE/Dockerfile.spark" --tag "$candidate"
  --build-arg "BASE=$base" --build-arg "BASE_TAG=$base_tag" --build-arg "OPENFOLD3_VERSION=$openfold3"
  --build-arg "SPARKDOCTOR_VERSION=$sparkdoctor" --build-arg "PROFILE=$profile" --build-arg "OWNER=$owner"
  --build-arg "FETCH_WEIGHTS=${secret:+$(cksum <"${secret:-/dev/null}" | tr ' ' -)}")
[[ -z $secret ]] || arguments+=(--secret "id=weights,src=$secret")
run "$docker" build "${arguments[@]}" "${build_options[@]}" "${HERE%/*}" || die 'the image could not be built' \
  "What failed stands above. No access to $base: $docker pull $base" \
  'A Docker without BuildKit: apt-get install docker-buildx-plugin' \
  'A package that is not found for this machine: another --base or --openfold3'

# Whether a fresh container of the image passes: `fresh WORDS…` calls sparkdoctor in it.
fresh() { run "$docker" run --rm "${container[@]}" --entrypoint sparkdoctor "$candidate" "$@"; }

if [[ -z $gpu ]]; then
  # --- without a GPU there is nothing to be warmed or proven but that the image starts
  run "$docker" run --rm "${container[@]}" --env SPARKDOCTOR_PREFLIGHT=off "$candidate" true ||
    die 'a container of the image does not start' 'What it said stands above.'
  run "$docker" tag "$candidate" "$tag"
  say "$tag is built, and not warmed: its kernels are compiled at their first use. On the Spark itself, without --no-gpu, they are"
  say "compiled and proven here."
  exit
fi

# --- 2. mend it and compile its kernels, where the GPU is

say 'mending it and compiling its kernels on the GPU (minutes)'
started=$(run "$docker" run --detach --name "$worker" --user 0:0 "${container[@]}" --entrypoint sleep "$candidate" infinity) ||
  die 'no container with the GPU could be started' \
    'Docker does not know the GPU: sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker' \
    'podman does not: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml' \
    'There is no GPU in this machine: --no-gpu builds, and compiles nothing.'
[[ -z $dry ]] || printf '%s\n' "$started"

# Its status says what is left to do, here or outside of the container; whether that matters is judged afterwards.
treat() {
  local status=0
  run "$docker" exec "$worker" sparkdoctor fix "$@" || status=$?
  ((status < 2)) || die "sparkdoctor fix $* could not do its work (status $status)" 'What it said stands above.' \
    "To look for yourself: $PROGRAM --no-gpu, then $docker run ${container[*]} -it $tag"
}
treat --all --yes
treat warm-kernels --yes
# What root has compiled belongs to whom it is for.
run "$docker" exec "$worker" chown --recursive "$owner" "$CACHE" || die "the caches could not be given to $owner"
run "$docker" exec "$worker" sparkdoctor check --fail-on never --format json --output "$REPORT" ||
  die 'the machine could not be examined' "To see why: $docker run ${container[*]} $tag sparkdoctor check"

# --- 3. commit it, as it was started from

# What the worker was started with instead (sleep) must not come into the image.
changes=()
if [[ -n $dry ]]; then
  changes=(--change 'ENTRYPOINT ["sparkdoctor","preflight","--"]' --change 'CMD ["bash"]')
else
  work=$(mktemp -d)
  for word in Entrypoint Cmd; do
    value=$("$docker" inspect --format "{{json .Config.$word}}" "$candidate")
    changes+=(--change "${word^^} $value")
  done
  "$docker" cp "$worker:$REPORT" "$work/report.json"
  # A label for `docker inspect`; the whole report stays in the image.
  summary=$(tr -d '\n' <"$work/report.json" | sed -nE 's/.*"verdict": *"([a-z]+)".*/\1/p')
  changes+=(--change "LABEL sparkdoctor.verdict=${summary:-unknown}")
fi
changes+=(--change "USER $owner" --change "LABEL sparkdoctor.report=$REPORT" --change "LABEL sparkdoctor.profile=$profile")
run "$docker" commit "${changes[@]}" "$worker" "$candidate" || die 'the container could not be committed' \
  'The disk may be full: docker system df tells what takes the space.'

# --- 4. prove it

say 'checking a fresh container of it'
ignored=()
[[ -n $weights || -n $secret ]] || ignored=(--ignore weights-missing)
fresh check "${ignored[@]}" || die "a fresh container of the image is not ready for work" \
  'Each problem above comes with its remedy. What lies outside of the container is mended on the host; then run this again:' \
  'what was built is not built anew, and compiled kernels are kept with --cache-volume.'
if [[ -n $openfold3 ]]; then
  fresh check kernels-not-warm --fail-on warning || die 'its kernels are not compiled, all the same' \
    'Above, sparkdoctor fix warm-kernels has said why.'
fi
run "$docker" tag "$candidate" "$tag"
say "$tag is ready${volume:+, with its kernels in the volume $volume}. Run it:"
say "  $docker run --rm ${container[*]} $tag run_openfold predict --help"
