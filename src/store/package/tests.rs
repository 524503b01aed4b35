use std::io::{Read, Write};

use super::layers::{Form, Layer};
use super::*;
use crate::store::Digest;

fn file(name: &str, bytes: &[u8]) -> File {
    File { name: name.into(), digest: Digest::of(bytes), size: bytes.len() as u64 }
}

fn none() -> BTreeMap<String, String> {
    BTreeMap::new()
}

#[test]
fn the_same_files_are_the_same_artifact_to_the_byte() {
    let files = [
        file("model.onnx_data", b"weights"),
        file("twofold.json", b"{}"),
        file("a.data", b"more"),
        file("model.onnx", b"onnx"),
    ];
    let packed = pack(files.to_vec(), Some("iris"), &none()).unwrap();
    let mut turned = files.to_vec();
    turned.reverse();
    assert_eq!(pack(turned, Some("iris"), &none()).unwrap(), packed);
    let digests = [b"onnx".as_slice(), b"more", b"weights", b"{}"].map(Digest::of);
    let ids: Vec<String> = digests.iter().map(|digest| format!("\"{digest}\"")).collect();
    let config = format!(
        r#"{{"descriptor":{{"name":"iris"}},"config":{{"format":"onnx"}},"modelfs":{{"type":"layers","diffIds":[{}]}}}}"#,
        ids.join(",")
    );
    assert_eq!(String::from_utf8(packed.config).unwrap(), config);
    let layer = |kind: &str, index: usize, name: &str, size: usize| {
        format!(
            r#"{{"mediaType":"application/vnd.cncf.model.weight.{kind}v1.raw","digest":"{}","size":{size},"annotations":{{"org.cncf.model.filepath":"{name}","org.opencontainers.image.title":"{name}"}}}}"#,
            digests[index]
        )
    };
    let expected = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.cncf.model.manifest.v1+json","config":{{"mediaType":"application/vnd.cncf.model.config.v1+json","digest":"{}","size":{}}},"layers":[{},{},{},{}]}}"#,
        Digest::of(config.as_bytes()),
        config.len(),
        layer("", 0, "model.onnx", 4),
        layer("", 1, "a.data", 4),
        layer("", 2, "model.onnx_data", 7),
        layer("config.", 3, "twofold.json", 2),
    );
    assert_eq!(String::from_utf8(packed.manifest).unwrap(), expected);
    // A change of this digest breaks everybody's pins.
    assert_eq!(
        Digest::of(expected.as_bytes()).to_string(),
        "sha256:873a043e17a7ec491e11fb2f31ee24a3a1d64d7e9e97bc96fdc57361b5168b58"
    );
}

#[test]
fn annotations_are_added_on_request_only() {
    let annotations = [("org.opencontainers.image.source".to_owned(), "here".to_owned())].into();
    let packed = pack(vec![file("model.onnx", b"onnx")], None, &annotations).unwrap();
    let manifest = String::from_utf8(packed.manifest).unwrap();
    assert!(
        manifest.ends_with(r#"],"annotations":{"org.opencontainers.image.source":"here"}}"#),
        "{manifest}"
    );
    assert!(packed.config.starts_with(br#"{"descriptor":{},"#));
}

/// A manifest of these layers: media type, path, and what is said instead of `{}` in the annotation's key.
fn manifest(layers: &[(&str, &str)]) -> Vec<u8> {
    let layers: Vec<_> = layers
        .iter()
        .map(|(media_type, path)| {
            let annotations = if path.is_empty() {
                serde_json::json!({})
            } else {
                serde_json::json!({ "org.opencontainers.image.title": path })
            };
            serde_json::json!({ "mediaType": media_type, "digest": Digest::of(path.as_bytes()).to_string(),
                "size": path.len(), "annotations": annotations })
        })
        .collect();
    let config = serde_json::json!({ "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": Digest::of(b"{}").to_string(), "size": 2 });
    serde_json::to_vec(&serde_json::json!({ "schemaVersion": 2, "config": config, "layers": layers }))
        .unwrap()
}

/// The forms of the layers that are pulled.
fn forms(described: &[(&str, &str)]) -> Result<Vec<Form>, String> {
    Ok(layers(&manifest(described))?.into_iter().map(|layer: Layer| layer.form).collect())
}

#[test]
fn what_was_packed_is_read_back() {
    let files = vec![file("model.onnx", b"onnx"), file("twofold.json", b"{}")];
    let read = layers(&pack(files.clone(), None, &none()).unwrap().manifest).unwrap();
    for (layer, file) in read.iter().zip(&files) {
        assert_eq!(layer.form, Form::File(file.name.clone()));
        assert_eq!(layer.blob, Blob { digest: file.digest, size: file.size });
    }
    assert_eq!(read.len(), 2);
}

#[test]
fn artifacts_of_other_tools_are_read() {
    const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
    const RAW: &str = "application/vnd.cncf.model.weight.v1.raw";
    let one = |name: &str| vec![Form::File(name.into())];
    // `oras push` of a file, and of one by another name.
    assert_eq!(forms(&[(TAR, "model.onnx")]), Ok(one("model.onnx")));
    assert_eq!(
        forms(&[("application/octet-stream", "./iris.onnx"), (TAR, "notes.txt")]),
        Ok(one("iris.onnx"))
    );
    assert_eq!(forms(&[("application/vnd.oci.image.layer.v1.tar+gzip", "folder")]), Ok(vec![Form::TarGzip]));
    assert_eq!(
        forms(&[("text/plain", "x.txt"), (RAW, "m/iris.onnx"), (RAW, "other/twofold.json")]),
        Ok(one("m/iris.onnx"))
    );
    // modctl and KitOps
    assert_eq!(forms(&[("application/vnd.cncf.model.weight.v1.tar", "model.onnx")]), Ok(vec![Form::Tar]));
    assert_eq!(
        forms(&[
            ("application/vnd.kitops.modelkit.model.v1.tar+gzip", ""),
            ("application/vnd.kitops.modelkit.dataset.v1.tar+gzip", ""),
            ("application/vnd.cncf.model.doc.v1.tar", "README.md"),
        ]),
        Ok(vec![Form::TarGzip])
    );
}

#[test]
fn manifests_that_are_none_of_a_package_say_why() {
    const RAW: &str = "application/vnd.cncf.model.weight.v1.raw";
    let said = |described: &[(&str, &str)]| forms(described).unwrap_err();
    for path in
        ["../model.onnx", "/model.onnx", "a/../model.onnx", "a//model.onnx", "a\\model.onnx", "a\0.onnx", "."]
    {
        assert_eq!(said(&[(RAW, path)]), format!("the path {:?} is none within a package", excerpt(path)));
    }
    assert_eq!(said(&[(RAW, "model.onnx"), (RAW, "model.onnx")]), "holds \"model.onnx\" twice");
    assert_eq!(said(&[(RAW, "a.onnx"), (RAW, "b.onnx")]), "holds several models: a.onnx, b.onnx");
    assert_eq!(said(&[(RAW, "x.txt")]), "holds no model: no layer is called model.onnx, nor is there a tar");
    assert!(said(&[("application/vnd.cncf.model.weight.v1.tar+zstd", "m")]).contains("zstd"));
    let many: Vec<_> = (0..10_000).map(|_| (RAW, "x.txt")).collect();
    assert_eq!(said(&many), "has 10000 layers, more than 1000");
    assert_eq!(
        layers(&vec![b' '; MANIFEST_LIMIT + 1]).unwrap_err(),
        "the manifest is larger than 4194304 bytes"
    );
    let index = br#"{"schemaVersion":2,"manifests":[]}"#;
    assert_eq!(layers(index).unwrap_err(), "an index of several manifests: give the digest of one of them");
    assert!(layers(b"{}").unwrap_err().starts_with("a manifest without config and layers"));
    assert!(layers(b"<html>").unwrap_err().starts_with("the manifest cannot be read"));
    let text = String::from_utf8(manifest(&[(RAW, "model.onnx")])).unwrap();
    for digest in ["sha256:../../x", "sha512:00", "SHA256:00", ""] {
        let text = text.replace(&Digest::of(b"model.onnx").to_string(), digest);
        assert_eq!(
            layers(text.as_bytes()).unwrap_err(),
            format!("the layer's digest {digest:?} is no sha256 digest")
        );
    }
}

/// A tar of these entries: kind, name, bytes.
fn tar(entries: &[(u8, &str, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (kind, name, bytes) in entries {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
        header[156] = *kind;
        header[148..156].fill(b' ');
        let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend_from_slice(&header);
        tar.extend_from_slice(bytes);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn unpack(form: &Form, bytes: &[u8]) -> Result<Package, String> {
    let mut unpacked = Unpacked::within(u64::MAX);
    unpacked.add(form, bytes.len() as u64, &mut &*bytes)?;
    unpacked.finish()
}

#[test]
fn tars_give_the_files_beside_the_model() {
    let entries: &[(u8, &str, &[u8])] = &[
        (b'5', "./", b""),
        (b'5', "m/", b""),
        (b'0', "m/README.md", &[b'x'; 1000]),
        (b'L', "././@LongLink", b"m/model.onnx\0"),
        (b'0', "cut", b"onnx"),
        (b'x', "PaxHeader", b"26 path=m/model.onnx_data\n"),
        (b'0', "cut", b"weights"),
        (b'0', "./m/twofold.json", br#"{"name":"iris"}"#),
        (b'0', "twofold.json", b"another's"),
    ];
    let plain = tar(entries);
    let package = unpack(&Form::Tar, &plain).unwrap();
    assert_eq!(package.model, "onnx");
    assert_eq!(package.side_files, [("model.onnx_data".to_owned(), Bytes::from("weights"))]);
    assert_eq!(package.manifest.name.as_deref(), Some("iris"));
    assert_eq!(unpack(&Form::TarGzip, &gzip(&plain)).unwrap(), package);
}

#[test]
fn hostile_tars_are_refused() {
    let said = |entries: &[(u8, &str, &[u8])]| unpack(&Form::Tar, &tar(entries)).unwrap_err();
    for kind in [b'1', b'2', b'3', b'4', b'6'] {
        assert_eq!(said(&[(kind, "model.onnx", b"")]), "the tar holds \"model.onnx\", which is no file");
    }
    for path in ["../model.onnx", "/etc/model.onnx", "a/../../model.onnx"] {
        assert_eq!(said(&[(b'0', path, b"")]), format!("the path {path:?} is none within a package"));
    }
    assert_eq!(said(&[(b'0', "model.onnx", b"a"), (b'0', "model.onnx", b"b")]), "holds \"model.onnx\" twice");
    assert_eq!(said(&[(b'L', "x", &vec![b'a'; 70_000])]), "a name in the tar takes 70000 bytes");
    assert_eq!(said(&[(b'0', "x", b"")]), "holds no model: there is no model.onnx in it");

    let good = tar(&[(b'0', "model.onnx", &[1; 600])]);
    assert_eq!(unpack(&Form::Tar, &good[..700]).unwrap_err(), "\"model.onnx\" ends after 188 of 600 bytes");
    assert_eq!(unpack(&Form::Tar, &[7; 512]).unwrap_err(), "no tar: a header's checksum is wrong");
    for size in ["18446744073709551615", "1152921504606846976", "-1", ""] {
        let record = format!("{} size={size}\n", 8 + size.len());
        let entries: &[(u8, &str, &[u8])] =
            &[(b'x', "PaxHeader", record.as_bytes()), (b'0', "model.onnx", b"onnx")];
        assert_eq!(said(entries), "a size in the tar cannot be read");
    }
    // 200 MB of nothing, in 200 KB, whether or not it would be kept; in one file or in many.
    let zeros = vec![0; 200 << 20];
    let names: Vec<String> = (0..200).map(|number| format!("{number}.data")).collect();
    let many: Vec<(u8, &str, &[u8])> =
        names.iter().map(|name| (b'0', name.as_str(), &zeros[..1 << 20])).collect();
    for entries in [vec![(b'0', "x", &zeros[..])], vec![(b'0', "model.onnx", &zeros[..])], many] {
        let bomb = gzip(&tar(&entries));
        assert!(bomb.len() < 1 << 20);
        let text = unpack(&Form::TarGzip, &bomb).unwrap_err();
        assert!(text.contains("grows beyond"), "{text}");
    }
    // A layer of 8 MB does not take half a gigabyte.
    let mut unpacked = Unpacked::<Bytes>::within(u64::MAX);
    let zeros = gzip(&tar(&[(b'0', "model.onnx", &zeros)]));
    let text = unpacked.add(&Form::TarGzip, 8 << 20, &mut zeros.as_slice()).unwrap_err();
    assert_eq!(text, "a compressed layer of 8388608 bytes grows beyond 150994944 bytes");
    // Nor does all of a package take more than the cache may hold.
    let mut unpacked = Unpacked::<Bytes>::within(1000);
    let text = unpacked
        .add(
            &Form::TarGzip,
            600,
            &mut gzip(&tar(&[(b'0', "model.onnx", &[1; 600]), (b'0', "a.data", &[1; 600])])).as_slice(),
        )
        .unwrap_err();
    assert_eq!(text, "grows beyond the 1000 bytes that TWOFOLD_CACHE_LIMIT allows");
}

#[test]
fn a_size_that_lies_is_not_reserved() {
    let mut unpacked = Unpacked::<Bytes>::within(u64::MAX);
    let error = unpacked.add(&Form::File("model.onnx".into()), 1 << 30, &mut b"short".take(5)).unwrap_err();
    assert_eq!(error, "\"model.onnx\" ends after 5 of 1073741824 bytes");
    let error = unpacked.add(&Form::File("model.onnx".into()), 3 << 30, &mut b"".as_slice()).unwrap_err();
    assert_eq!(error, "\"model.onnx\" is larger than 2147483648 bytes");
}
