//! `docs/public-api.md` lists the public items of the published crates, so that a change of them is seen in review.
//!
//! `PUBLIC_API=overwrite cargo test -p docs-tests --test public_api` writes the file. Items that a macro makes are not
//! seen: the code is read, not compiled.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use quote::ToTokens;
use syn::{
    Attribute, Fields, File, ImplItem, Item, ItemImpl, ItemUse, TraitItem, UseTree, Visibility,
    parse_quote,
};

const LIST: &str = "docs/public-api.md";
const CRATES: [&str; 11] = [
    "scheduled-one-runtime",
    "scheduled-one-macros",
    "scheduled-one-schedule",
    "scheduled-one-protocol",
    "scheduled-one-redis",
    "scheduled-one-postgres",
    "scheduled-one-sqlite",
    "scheduled-one-control",
    "scheduled-one-alerts",
    "scheduled-one-console",
    "scheduled-one-testkit",
];

#[test]
fn the_list_of_public_items_is_up_to_date() {
    let path = root().join(LIST);
    let found = list();
    if env::var("PUBLIC_API").is_ok_and(|value| value == "overwrite") {
        fs::write(&path, &found).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let lines = |text: &str| {
        text.lines()
            .map(str::to_owned)
            .collect::<BTreeSet<String>>()
    };
    let (found_lines, written_lines) = (lines(&found), lines(&written));
    assert!(
        found == written,
        "the public items are others than {LIST} says; if that is wanted, run `PUBLIC_API=overwrite cargo test -p \
         docs-tests --test public_api`\nnew: {:#?}\ngone: {:#?}",
        found_lines.difference(&written_lines).collect::<Vec<_>>(),
        written_lines.difference(&found_lines).collect::<Vec<_>>(),
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn list() -> String {
    let mut text = String::from(
        "# Public items\n\n\
         The public items of the published crates, without their documentation.\n\
         A test writes this list and compares it: see `tests/docs/tests/public_api.rs`.\n\
         [Stability](../scheduled-one-runtime/docs/stability.md) says what these items promise.\n",
    );
    for name in CRATES {
        let krate = Crate::read(&root().join(name).join("src/lib.rs"));
        text += &format!("\n## {name}\n\n```text\n{}```\n", krate.surface());
    }
    text
}

/// The modules of a crate, by path; `""` is the root.
struct Crate {
    modules: BTreeMap<String, Vec<Item>>,
}

impl Crate {
    fn read(lib: &Path) -> Self {
        let mut krate = Crate {
            modules: BTreeMap::new(),
        };
        krate.add("", lib, lib.parent().unwrap());
        krate
    }

    /// `folder` is where the files of the child modules are.
    fn add(&mut self, path: &str, file: &Path, folder: &Path) {
        let text = fs::read_to_string(file).unwrap();
        let items = syn::parse_file(&text).unwrap().items;
        let items: Vec<Item> = items.into_iter().filter(|item| !is_hidden(item)).collect();
        for item in &items {
            let Item::Mod(child) = item else { continue };
            let name = child.ident.to_string();
            let child_path = join(path, &name);
            if let Some((_, inline)) = &child.content {
                self.modules.insert(child_path, inline.clone());
                continue;
            }
            let flat = folder.join(format!("{name}.rs"));
            match flat.exists() {
                true => self.add(&child_path, &flat, &folder.join(&name)),
                false => self.add(
                    &child_path,
                    &folder.join(&name).join("mod.rs"),
                    &folder.join(&name),
                ),
            }
        }
        self.modules.insert(path.to_owned(), items);
    }

    /// The public items as Rust code without bodies.
    fn surface(&self) -> String {
        let mut items = Vec::new();
        self.export("", &mut items);
        let names: BTreeSet<String> = items.iter().flat_map(names_of).collect();
        let impls = self.modules.values().flatten();
        let impls = impls.filter_map(|item| match item {
            Item::Impl(block) => public_impl(block, &names),
            _ => None,
        });
        items.extend(impls);
        items.sort_by_key(|item| item.to_token_stream().to_string());
        let file: File = parse_quote! { #(#items)* };
        prettyplease::unparse(&file)
    }

    fn export(&self, module: &str, found: &mut Vec<Item>) {
        for item in &self.modules[module] {
            match item {
                Item::Mod(child) if is_public(&child.vis) => {
                    let mut inner = Vec::new();
                    self.export(&join(module, &child.ident.to_string()), &mut inner);
                    let name = &child.ident;
                    inner.sort_by_key(|item| item.to_token_stream().to_string());
                    found.push(parse_quote! { pub mod #name { #(#inner)* } });
                }
                Item::Use(item) if is_public(&item.vis) => self.follow(module, item, found),
                other => found.extend(public(other)),
            }
        }
    }

    /// A re-export: the item itself if this crate has it, else the path.
    fn follow(&self, module: &str, item: &ItemUse, found: &mut Vec<Item>) {
        let mut leaves = Vec::new();
        flatten(&item.tree, Vec::new(), &mut leaves);
        for leaf in leaves {
            let (name, path) = leaf.split_last().unwrap();
            let path: Vec<&String> = path
                .iter()
                .filter(|part| *part != "crate" && *part != "self")
                .collect();
            let target = path
                .iter()
                .fold(String::new(), |path, part| join(&path, part));
            let target = match self.modules.contains_key(&target) {
                true => target,
                false => join(module, &target),
            };
            let own = self.modules.get(&target).into_iter().flatten();
            let mut own = own
                .filter_map(public)
                .filter(|item| name_of(item).as_deref() == Some(name));
            match own.next() {
                Some(item) => found.push(item),
                None => {
                    let path: syn::Path = syn::parse_str(&leaf.join("::")).unwrap();
                    found.push(parse_quote! { pub use #path; });
                }
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        _ => format!("{path}::{name}"),
    }
}

fn flatten(tree: &UseTree, mut path: Vec<String>, found: &mut Vec<Vec<String>>) {
    match tree {
        UseTree::Path(next) => {
            path.push(next.ident.to_string());
            flatten(&next.tree, path, found);
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, path.clone(), found);
            }
        }
        UseTree::Name(name) => {
            if name.ident != "self" {
                path.push(name.ident.to_string());
            }
            found.push(path);
        }
        UseTree::Rename(rename) => {
            path.push(rename.rename.to_string());
            found.push(path);
        }
        UseTree::Glob(_) => {
            path.push("all".to_owned());
            found.push(path);
        }
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// What only tests and this project's tools compile, and what the documentation does not show.
fn is_hidden(item: &Item) -> bool {
    attributes(item).iter().any(hides)
}

fn hides(attribute: &Attribute) -> bool {
    let text = attribute.to_token_stream().to_string().replace(' ', "");
    let features = ["\"internals\"", "\"test-util\""];
    text == "#[cfg(test)]"
        || text == "#[doc(hidden)]"
        || features.iter().any(|name| text.contains(name))
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

/// The name of an item, and of those in it.
fn names_of(item: &Item) -> Vec<String> {
    match item {
        Item::Mod(module) => {
            let inner = module.content.iter().flat_map(|(_, items)| items);
            inner.flat_map(names_of).collect()
        }
        other => name_of(other).into_iter().collect(),
    }
}

fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(it) => &it.ident,
        Item::Enum(it) => &it.ident,
        Item::Fn(it) => &it.sig.ident,
        Item::Struct(it) => &it.ident,
        Item::Trait(it) => &it.ident,
        Item::Type(it) => &it.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// Attributes that users notice.
fn keep(attributes: &mut Vec<Attribute>) {
    let kept = [
        "non_exhaustive",
        "must_use",
        "derive",
        "cfg",
        "proc_macro_attribute",
    ];
    attributes.retain(|attribute| kept.iter().any(|name| attribute.path().is_ident(name)));
}

/// An item without what users do not see; `None` if they do not see it at all.
fn public(item: &Item) -> Option<Item> {
    let mut item = item.clone();
    match &mut item {
        Item::Const(it) if is_public(&it.vis) => {
            keep(&mut it.attrs);
            *it.expr = parse_quote!(..);
        }
        Item::Fn(it) if is_public(&it.vis) => {
            keep(&mut it.attrs);
            *it.block = parse_quote!({});
        }
        Item::Enum(it) if is_public(&it.vis) => {
            keep(&mut it.attrs);
            for variant in &mut it.variants {
                keep(&mut variant.attrs);
                variant
                    .fields
                    .iter_mut()
                    .for_each(|field| keep(&mut field.attrs));
            }
        }
        Item::Struct(it) if is_public(&it.vis) => {
            keep(&mut it.attrs);
            public_fields(&mut it.fields);
        }
        Item::Trait(it) if is_public(&it.vis) => {
            keep(&mut it.attrs);
            for item in &mut it.items {
                if let TraitItem::Fn(method) = item {
                    keep(&mut method.attrs);
                    method.default = method.default.as_ref().map(|_| parse_quote!({}));
                }
                if let TraitItem::Type(kind) = item {
                    keep(&mut kind.attrs);
                }
            }
        }
        Item::Type(it) if is_public(&it.vis) => keep(&mut it.attrs),
        _ => return None,
    }
    Some(item)
}

/// Private fields come to one `_private`.
fn public_fields(fields: &mut Fields) {
    let Fields::Named(named) = fields else {
        return;
    };
    let count = named.named.len();
    let mut shown: syn::punctuated::Punctuated<syn::Field, syn::Token![,]> = named
        .named
        .iter()
        .filter(|field| is_public(&field.vis))
        .cloned()
        .collect();
    shown.iter_mut().for_each(|field| keep(&mut field.attrs));
    if shown.len() < count {
        shown.push(parse_quote!(_private: ()));
    }
    named.named = shown;
}

/// The public methods of a public type; of a trait's implementation only that it is there.
fn public_impl(block: &ItemImpl, names: &BTreeSet<String>) -> Option<Item> {
    let mut block = block.clone();
    let syn::Type::Path(path) = &*block.self_ty else {
        return None;
    };
    if !names.contains(&path.path.segments.last()?.ident.to_string()) {
        return None;
    }
    keep(&mut block.attrs);
    if block.trait_.is_some() {
        block.items.clear();
        return Some(Item::Impl(block));
    }
    block.items.retain(|item| match item {
        ImplItem::Fn(method) => is_public(&method.vis) && !method.attrs.iter().any(hides),
        ImplItem::Const(constant) => is_public(&constant.vis),
        _ => false,
    });
    for item in &mut block.items {
        match item {
            ImplItem::Fn(method) => {
                keep(&mut method.attrs);
                method.block = parse_quote!({});
            }
            ImplItem::Const(constant) => {
                keep(&mut constant.attrs);
                constant.expr = parse_quote!(..);
            }
            _ => {}
        }
    }
    (!block.items.is_empty()).then_some(Item::Impl(block))
}
