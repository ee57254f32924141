//! Generates the CSI and plugin registration services from the checked-in `.proto` files, without `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (file, folder) in [("csi.proto", "proto/csi"), ("api.proto", "proto/pluginregistration")] {
        println!("cargo::rerun-if-changed={folder}/{file}");
        let descriptors = protox::compile([file], [folder])?;
        tonic_prost_build::configure()
            .build_client(false)
            .disable_comments(["."])
            .compile_fds(descriptors)?;
    }
    Ok(())
}
