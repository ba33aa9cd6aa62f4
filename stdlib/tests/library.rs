//! Every module of the standard library parses, and every definition says what it is and where its numbers come from.

use nmc_grammar::ast::Item;
use nmc_grammar::parse;
use nmc_grammar::span::FileId;
use nmc_stdlib::{module, modules};

#[test]
fn every_module_parses() {
    for module in modules() {
        let (_, errors) = parse(FileId(0), module.text);
        assert!(errors.is_empty(), "{}: {errors:#?}", module.path);
    }
}

#[test]
fn every_definition_is_documented() {
    for module in modules() {
        for item in parse(FileId(0), module.text).0.items {
            if let Item::Block(block) = item {
                assert!(!block.doc.is_empty(), "{}.{} has no doc comment", module.path, block.name.text);
            }
        }
    }
}

#[test]
fn every_name_it_uses_exists() {
    let defines = |text: &str, name: &str| {
        parse(FileId(0), text).0.items.iter().any(|item| matches!(item, Item::Block(block) if block.name.text == name))
    };
    for one in modules() {
        for item in parse(FileId(0), one.text).0.items {
            let Item::Use(used) = item else { continue };
            let path: Vec<&str> = used.path.iter().map(|segment| segment.text.as_str()).collect();
            let text = module(&path).unwrap_or_else(|| panic!("{}: no module {path:?}", one.path));
            for name in &used.names {
                assert!(defines(text, &name.text), "{}: no {path:?} {}", one.path, name.text);
            }
        }
    }
}

#[test]
fn every_module_is_laid_out() {
    for module in modules() {
        assert_eq!(nmc_grammar::format(module.text).as_deref(), Ok(module.text), "{}", module.path);
    }
}
