//! The annotated item: an `async fn` that can be a job.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, Error, FnArg, Pat, ReturnType, Safety, Signature, Type, Visibility};

use crate::errors::Errors;
use crate::job::Function;

/// Most arguments of a job: the runtime implements `Handler` for functions of up to this many.
const ARGUMENTS_MAX: usize = 8;

/// The head of the function. The body is passed on without being parsed.
pub(crate) struct Item {
    pub(crate) attributes: Vec<Attribute>,
    signature: Signature,
}

impl Item {
    /// Parses the head; an item that is no function is an error.
    pub(crate) fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let head = |input: ParseStream<'_>| {
            let attributes = input.call(Attribute::parse_outer)?;
            let _: Visibility = input.parse()?;
            let rest: TokenStream = input.fork().parse()?;
            if !starts_function(&rest) {
                return Err(not_a_function(rest));
            }
            let signature = input.parse()?;
            let _body: TokenStream = input.parse()?;
            Ok(Item {
                attributes,
                signature,
            })
        };
        head.parse2(tokens)
    }

    pub(crate) fn ident(&self) -> &Ident {
        &self.signature.ident
    }

    /// The parts that the registration needs. The reasons why the function cannot be a job go to `errors`.
    pub(crate) fn check(&self, errors: &mut Errors) -> Function {
        self.check_qualifiers(errors);
        self.check_generics(errors);
        let mut arguments = Vec::new();
        for input in &self.signature.inputs {
            match input {
                FnArg::Typed(argument) => {
                    check_argument(&argument.attrs, &argument.ty, errors);
                    arguments.push((*argument.ty).clone());
                }
                FnArg::Receiver(receiver) => errors.push(Error::new_spanned(
                    receiver,
                    "a method cannot be a scheduled job: there is no value to call it on\n\
                     help: make it a free function that takes the value as `State<T>`",
                )),
            }
        }
        if let Some(extra) = self.signature.inputs.iter().nth(ARGUMENTS_MAX) {
            let message = format!(
                "a scheduled job takes at most {ARGUMENTS_MAX} arguments, and this is one more\n\
                 help: put values that belong together into one struct and take it as `State<T>`"
            );
            errors.push(Error::new_spanned(extra, message));
        }
        if let Some(variadic) = &self.signature.variadic {
            let message = "a scheduled job cannot have a variable number of arguments";
            errors.push(Error::new_spanned(variadic, message));
        }
        Function {
            ident: self.signature.ident.clone(),
            arguments,
            output: match &self.signature.output {
                ReturnType::Default => None,
                ReturnType::Type(_, output) => Some((**output).clone()),
            },
            attributes: inherited(&self.attributes),
        }
    }

    fn check_qualifiers(&self, errors: &mut Errors) {
        let signature = &self.signature;
        let name = &signature.ident;
        if let Safety::Unsafe(keyword) = &signature.safety {
            let message = "an `unsafe fn` cannot be a scheduled job: the scheduler cannot \
                           keep its safety contract
help: remove `unsafe`, and write `unsafe` blocks inside where they are needed";
            errors.push(Error::new_spanned(keyword, message));
        }
        if let Some(abi) = &signature.abi {
            let message = "an `extern` function cannot be a scheduled job\nhelp: remove `extern`";
            errors.push(Error::new_spanned(abi, message));
        }
        if let Some(keyword) = &signature.constness {
            let message =
                format!("a `const fn` cannot be a scheduled job\nhelp: write `async fn {name}`");
            errors.push(Error::new_spanned(keyword, message));
        } else if signature.asyncness.is_none() {
            let message = not_async(signature);
            errors.push(Error::new_spanned(signature.fn_token, message));
        }
    }

    fn check_generics(&self, errors: &mut Errors) {
        let generics = &self.signature.generics;
        if !generics.params.is_empty() {
            let message = "a scheduled job cannot be generic: the scheduler cannot choose the types\n\
                           help: write the types; values that live as long as the program are \
                           taken as `State<T>`";
            errors.push(Error::new_spanned(generics, message));
        }
    }
}

fn check_argument(attributes: &[Attribute], ty: &Type, errors: &mut Errors) {
    if names_no_type(ty) {
        let message = "a scheduled job cannot be generic, and `impl Trait` arguments are\n\
                       help: write the type, as in `State<Arc<dyn Trait + Send + Sync>>`";
        errors.push(Error::new_spanned(ty, message));
    }
    let conditional = attributes.iter().find(|attribute| {
        attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr")
    });
    if let Some(attribute) = conditional {
        let message = "an argument of a scheduled job cannot come and go with `cfg`\n\
                       help: write the function twice, each under its own `#[cfg(…)]`";
        errors.push(Error::new_spanned(attribute, message));
    }
}

/// True if the type contains an `impl Trait`, so that it cannot be repeated in the registration.
pub(crate) fn names_no_type(ty: &Type) -> bool {
    fn has_impl(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => ident == "impl",
            TokenTree::Group(group) => has_impl(group.stream()),
            TokenTree::Punct(_) | TokenTree::Literal(_) => false,
        })
    }
    has_impl(ty.to_token_stream())
}

/// The attributes that the registration repeats: `#[cfg]`, and lint levels, because the registration names the
/// function and its types again. An `expect` becomes an `allow`, as the function fulfils the expectation.
fn inherited(attributes: &[Attribute]) -> Vec<Attribute> {
    let mut inherited = Vec::new();
    for attribute in attributes {
        let path = attribute.path();
        if path.is_ident("cfg") || path.is_ident("allow") {
            inherited.push(attribute.clone());
        } else if path.is_ident("expect")
            && let syn::Meta::List(list) = &attribute.meta
        {
            let lints = &list.tokens;
            inherited.push(syn::parse_quote!(#[allow(#lints)]));
        } else if path.is_ident("deprecated") {
            inherited.push(syn::parse_quote!(#[allow(deprecated)]));
        }
    }
    inherited
}

/// True if only qualifiers stand before a `fn`.
fn starts_function(tokens: &TokenStream) -> bool {
    for token in tokens.clone() {
        match token {
            TokenTree::Ident(ident) if ident == "fn" => return true,
            TokenTree::Ident(ident) => {
                let qualifiers = [
                    "default", "const", "async", "gen", "unsafe", "safe", "extern",
                ];
                if !qualifiers.iter().any(|qualifier| ident == qualifier) {
                    return false;
                }
            }
            // The literal is the name of an ABI.
            TokenTree::Literal(_) => {}
            TokenTree::Group(_) | TokenTree::Punct(_) => return false,
        }
    }
    false
}

fn not_a_function(tokens: TokenStream) -> Error {
    let message = "only a function can be a scheduled job\n\
                   help: put `#[scheduled_one(…)]` on an `async fn`";
    match tokens.into_iter().next() {
        Some(first) => Error::new(first.span(), message),
        None => Error::new(proc_macro2::Span::call_site(), message),
    }
}

/// The message for a function that is not async, with a wrapper to paste for one that blocks.
fn not_async(signature: &Signature) -> String {
    let name = &signature.ident;
    let wrapper = format!("{}_job", name.unraw());
    let mut parameters = Vec::new();
    let mut values = Vec::new();
    for (index, input) in signature.inputs.iter().enumerate() {
        let FnArg::Typed(argument) = input else {
            continue; // a method, which has an error of its own
        };
        let value = match &*argument.pat {
            Pat::Ident(pattern) => pattern.ident.to_string(),
            _ => format!("arg{}", index + 1),
        };
        parameters.push(format!("{value}: {}", text(&argument.ty)));
        values.push(value);
    }
    let parameters = parameters.join(", ");
    let call = format!(
        "tokio::task::spawn_blocking(move || {name}({}))",
        values.join(", ")
    );
    let body = match signature.output {
        ReturnType::Default => format!(
            "async fn {wrapper}({parameters}) -> Result<(), tokio::task::JoinError> {{\n    \
                 {call}.await\n\
             }}"
        ),
        ReturnType::Type(..) => format!(
            "async fn {wrapper}({parameters}) -> Result<(), scheduled_one_runtime::BoxError> {{\n    \
                 Ok({call}.await??)\n\
             }}"
        ),
    };
    format!(
        "a scheduled job is an `async fn`, so that it can be cancelled\n\
         help: if `{name}` does not block, write `async fn {name}`; if it does, leave it as it is \
         and put the attribute on\n\n{body}\n"
    )
}

/// A type as people write it; printed tokens would have spaces, as in `Vec < u8 >`.
fn text(ty: &Type) -> String {
    let mut text = String::new();
    print(ty.to_token_stream(), &mut text);
    text
}

fn print(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                print(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) if ",;+=".contains(punct.as_char()) => {
                text.push_str(match punct.as_char() {
                    ',' => ", ",
                    ';' => "; ",
                    '+' => " + ",
                    _ => " = ",
                });
            }
            TokenTree::Punct(punct) => text.push(punct.as_char()),
            word => {
                if text.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
}
