"""Which image a container runs, from the files that its engine keeps. No engine is asked, no program run."""

import json
import re

from .cells import NOT_PERMITTED_CODE, UNSUPPORTED_CODE, Missing

_CONTAINER = re.compile(r"(?:^|[-/:])([0-9a-f]{64})(?:\.scope)?(?:/|$)", re.MULTILINE)
_CONFIGS = (
    "/run/containerd/io.containerd.runtime.v2.task/k8s.io/%s/config.json",
    "/run/containerd/io.containerd.runtime.v2.task/default/%s/config.json",
    "/var/lib/docker/containers/%s/config.v2.json",
    "/run/containers/storage/overlay-containers/%s/userdata/config.json",
)
_IMAGE_NOTES = ("io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName", "nerdctl/image-name")
_WHOSE = "the container's configuration: "


def container_of(cgroup: str) -> str:
    """The id (64 hex digits) in /proc/PID/cgroup, "" where it names no container."""
    match = _CONTAINER.search(cgroup)
    return match.group(1) if match else ""


def image(world, container: str) -> "tuple[str | Missing, str]":
    """The image of a container, or why it isn't known; and the file that told it, with ID for the container's."""
    refused = ""
    for path in _CONFIGS:
        try:
            found = image_of(world.read(path % container))
        except OSError as error:
            refused = refused or (error.strerror if error.errno in (1, 13) else "")
            continue
        if found:
            return found, path.replace("%s", "ID")
    if refused:
        return Missing(NOT_PERMITTED_CODE, _WHOSE + refused), ""
    return Missing(UNSUPPORTED_CODE, _WHOSE + "not found where containerd, docker and CRI-O keep it"), ""


def image_of(config: str) -> str:
    """The image of a container's config.json (OCI) or config.v2.json (Docker), "" where it names none."""
    try:
        told = json.loads(config)
    except ValueError:
        return ""
    if not isinstance(told, dict):
        return ""
    notes = told.get("annotations") or {}
    docker = (told.get("Config") or {}).get("Image") or ""
    return str(next((notes[key] for key in _IMAGE_NOTES if notes.get(key)), docker))
