//! The names of options, as the code of each face has them.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;

/// Structs of options beside those whose names end in `Options`.
const STRUCTS: [&str; 5] = ["ArraySpec", "StorageSpec", "Cast", "Against", "FlatSpec"];

/// The public fields of public structs of options, and the methods by which builders take them.
pub(crate) fn of_rust(files: &[String]) -> BTreeSet<String> {
    #[derive(Default)]
    struct Found(BTreeSet<String>);
    let is_options = |name: &str| name.ends_with("Options") || STRUCTS.contains(&name);
    impl<'ast> Visit<'ast> for Found {
        fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
            let name = item.ident.to_string();
            let is_options = name.ends_with("Options") || STRUCTS.contains(&name.as_str());
            if is_options && matches!(item.vis, syn::Visibility::Public(_)) {
                let public =
                    item.fields.iter().filter(|field| matches!(field.vis, syn::Visibility::Public(_)));
                self.0.extend(public.filter_map(|field| field.ident.as_ref()).map(ToString::to_string));
            }
        }
    }
    let mut found = Found::default();
    for file in files {
        let file = syn::parse_file(file).unwrap();
        found.visit_file(&file);
        let impls = file.items.iter().filter_map(|item| match item {
            syn::Item::Impl(item) if item.trait_.is_none() => Some(item),
            _ => None,
        });
        for item in impls {
            let syn::Type::Path(path) = &*item.self_ty else { continue };
            let is_builder =
                path.path.segments.last().is_some_and(|last| is_options(&last.ident.to_string()));
            let methods = item.items.iter().filter(|_| is_builder).filter_map(|item| match item {
                syn::ImplItem::Fn(method) => Some(method),
                _ => None,
            });
            found.0.extend(
                methods.filter(|method| is_setter(method)).map(|method| method.sig.ident.to_string()),
            );
        }
    }
    found.0
}

/// Whether a public method takes a builder and gives it back.
fn is_setter(method: &syn::ImplItemFn) -> bool {
    let takes_itself = matches!(
        method.sig.inputs.first(),
        Some(syn::FnArg::Receiver(receiver)) if matches!(receiver.kind, syn::ReceiverKind::Value) && receiver.mutability.is_some()
    );
    takes_itself && matches!(method.vis, syn::Visibility::Public(_))
}

/// The parameters of the public functions and classes of a stub, and of their methods.
pub(crate) fn parameters(stub: &str) -> Vec<String> {
    // Every other part stands between triple quotes.
    let code: String = stub.split("\"\"\"").step_by(2).collect();
    let is_public = |name: &str| name == "__new__" || !name.starts_with('_');
    let mut found = Vec::new();
    for definition in code.split("def ").skip(1) {
        let Some((name, rest)) = definition.split_once('(') else { continue };
        if is_public(name) {
            found.extend(of_definition(rest));
        }
    }
    found
}

/// The parameters of the public functions of a module, and of the public methods of its public classes; those of making one
/// if its docstring lists arguments, as it does where users call it. What stands for further options is none.
pub(crate) fn module_parameters(module: &str) -> Vec<String> {
    let (mut found, mut class) = (Vec::new(), None);
    for (at, line) in module
        .match_indices('\n')
        .map(|(at, _)| (at + 1, module[at + 1..].lines().next().unwrap_or_default()))
    {
        let (indent, text) = (line.len() - line.trim_start().len(), line.trim_start());
        if let Some(rest) = text.strip_prefix("class ").filter(|_| indent == 0) {
            let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            let body = module[at..].split("\ndef ").next().unwrap_or_default();
            let body = body.split("\nclass ").next().unwrap_or_default();
            class = Some((!name.starts_with('_'), body.contains("\n    Args:\n")));
        } else if indent == 0 && !text.is_empty() && !text.starts_with([')', '@', '#']) {
            class = None;
        }
        let Some((name, _)) = text.strip_prefix("def ").and_then(|rest| rest.split_once('(')) else {
            continue;
        };
        let is_public = match (indent, class) {
            (0, _) => !name.starts_with('_'),
            (4, Some((is_public, is_called))) => {
                is_public && (!name.starts_with('_') || is_called && name == "__init__")
            }
            _ => false,
        };
        if is_public {
            let rest = &module[at + line.find('(').map_or(0, |open| open + 1)..];
            found.extend(of_definition(rest).filter(|name| !rest.contains(&format!("**{name}:"))));
        }
    }
    found
}

/// The names of parameters in what follows the parenthesis of a definition.
fn of_definition(rest: &str) -> impl Iterator<Item = String> {
    top_level(rest).into_iter().filter_map(|parameter| {
        let name = parameter.trim().trim_start_matches('*');
        let name = name.split([':', '=']).next().unwrap_or_default().trim();
        let is_name = !name.is_empty() && !matches!(name, "self" | "cls" | "/");
        (is_name && !name.starts_with('_')).then(|| name.to_owned())
    })
}

/// What stands between commas up to the parenthesis that closes.
fn top_level(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in text.chars() {
        match c {
            ')' if depth == 0 => break,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            c => parts.last_mut().unwrap().push(c),
        }
    }
    parts
}

/// The long options of a command line that clap derives.
pub(crate) fn long_options(files: &[String]) -> BTreeSet<String> {
    struct Found(BTreeSet<String>);
    impl<'ast> Visit<'ast> for Found {
        fn visit_field(&mut self, field: &'ast syn::Field) {
            for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("arg")) {
                let Ok(list) = attribute.meta.require_list() else { continue };
                let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
                self.0.extend(long(list.tokens.clone(), &name));
            }
        }
    }
    let mut found = Found(BTreeSet::new());
    files.iter().for_each(|file| found.visit_file(&syn::parse_file(file).unwrap()));
    found.0
}

/// The long option of the field `name` with such an attribute, if it has one.
fn long(tokens: TokenStream, name: &str) -> Option<String> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let at = tokens.iter().position(|token| matches!(token, TokenTree::Ident(ident) if ident == "long"))?;
    let said = match tokens.get(at + 1..at + 3) {
        Some([TokenTree::Punct(equals), TokenTree::Literal(literal)]) if equals.as_char() == '=' => {
            Some(literal.to_string().trim_matches('"').to_owned())
        }
        _ => None,
    };
    Some(format!("--{}", said.unwrap_or_else(|| name.replace('_', "-"))))
}
