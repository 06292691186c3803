"""image-archive.py IN.tar OUT.tar NAME: an image as `docker save` and buildah write it, without what differs from build to build though the image is the same: the names of the containers
that it was made in, dates of the archive's files, their order. `docker load` and `podman load` take it as any other."""
import hashlib
import io
import json
import sys
import tarfile


def normal(config):
    for key in ("container", "container_config", "parent"):
        config.pop(key, None)
    config["config"].pop("Hostname", None)
    for step in config.get("history", []):
        step.pop("comment", None)
    return json.dumps(config, sort_keys=True, separators=(",", ":")).encode()


def main(source, target, name):
    with tarfile.open(source) as old, tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as new:

        def put(name, data, size):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = size, 0o644
            new.addfile(entry, data)

        (image,) = json.load(old.extractfile("manifest.json"))
        config = normal(json.load(old.extractfile(image["Config"])))
        layers = [digest.split(":")[1] + ".tar" for digest in json.loads(config)["rootfs"]["diff_ids"]]
        for was, layer in zip(image["Layers"], layers, strict=True):
            data = old.extractfile(was)
            data.seek(0, io.SEEK_END)
            size = data.tell()
            data.seek(0)
            put(layer, data, size)
        config_name = hashlib.sha256(config).hexdigest() + ".json"
        put(config_name, io.BytesIO(config), len(config))
        manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": layers}]).encode()
        put("manifest.json", io.BytesIO(manifest), len(manifest))


if __name__ == "__main__":
    main(*sys.argv[1:])
