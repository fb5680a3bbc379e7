#!/bin/sh
# build.sh FOLDER: a Kubernetes 1.20 control plane from Debian's own source package, with Debian's Go. Once, about ten
# minutes and 3 GB of disk while it runs; as root, for apt. Debian ships only kubectl of it ready-made.
set -eu
out=$1
[ -x "$out/kube-scheduler" ] && [ -x "$out/kube-controller-manager" ] && [ -x "$out/kube-apiserver" ] && exit 0
mkdir -p "$out/work"
out=$(cd "$out" && pwd)
cd "$out/work"
echo "building Kubernetes' control plane in $out: about ten minutes"
export DEBIAN_FRONTEND=noninteractive
apt-get install -qq -y --no-install-recommends golang-1.19-go rsync jq patch make gcc >/dev/null

# a private apt state with the sources of whatever this machine's mirror is: its own lists stay as they are
mkdir -p apt/lists/partial apt/cache/archives/partial
{
    sed -n 's/^deb /deb-src /p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -e "$file" ] && awk -v RS= '{
            uris = suites = ""
            for (i = split($0, line, "\n"); i > 0; i--) {
                if (line[i] ~ /^URIs:/) uris = substr(line[i], 6)
                if (line[i] ~ /^Suites:/) suites = substr(line[i], 8)
            }
            for (i = split(suites, suite, " "); i > 0; i--)
                print "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]", uris, suite[i], "main"
        }' "$file"
    done
} >apt/sources.list
set -- -o Dir::Etc::sourcelist="$PWD/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$PWD/apt/lists" -o Dir::Cache="$PWD/apt/cache" -o APT::Sandbox::User=root
apt-get "$@" update -qq
apt-get "$@" source -qq --download-only kubernetes
rm -rf src reflect2
mkdir src
tar xzf kubernetes_*.orig.tar.gz -C src --strip-components=1
tar xJf kubernetes_*.debian.tar.xz -C src
while read -r patch; do patch -d src -p1 -s <"src/debian/patches/$patch"; done <src/debian/patches/series

# the reflect2 of that time breaks with Go 1.18 and later: every custom resource would panic the server
apt-get -o APT::Sandbox::User=root download -qq golang-github-modern-go-reflect2-dev
dpkg-deb -x golang-github-modern-go-reflect2-dev*.deb reflect2
vendored=src/vendor/github.com/modern-go/reflect2
rm -f "$vendored"/*.go "$vendored"/*.s
cp reflect2/usr/share/gocode/src/github.com/modern-go/reflect2/*.go reflect2/usr/share/gocode/src/github.com/modern-go/reflect2/*.s "$vendored/"
rm -f "$vendored"/*_test.go

cd src
export GOPATH="$PWD/.go" PATH="/usr/lib/go-1.19/bin:$PATH" CGO_ENABLED=0 GOFLAGS=-mod=vendor GOPROXY=off HOME="$out/work"
export KUBE_GIT_VERSION=v1.20.2 KUBE_GIT_TREE_STATE=archive KUBE_GIT_COMMIT=faecb196815e248d3ecfb03c680a4507229c2a56
mkdir -p .go/src/k8s.io
ln -sfn ../../.. .go/src/k8s.io/kubernetes
nice make WHAT="cmd/kube-apiserver cmd/kube-controller-manager cmd/kube-scheduler" GOLDFLAGS="-s -w" >../make.log 2>&1 ||
    { tail -5 ../make.log >&2; exit 1; }
install -m755 _output/local/bin/linux/amd64/kube-apiserver _output/local/bin/linux/amd64/kube-controller-manager \
    _output/local/bin/linux/amd64/kube-scheduler "$out/"
chmod -R u+w "$out/work"
rm -rf "$out/work"
