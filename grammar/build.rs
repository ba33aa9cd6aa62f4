//! Generates the parser from `src/nmc.lalrpop`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=src/nmc.lalrpop");
    lalrpop::Configuration::new().use_cargo_dir_conventions().process()
}
