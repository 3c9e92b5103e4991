mod demo;
mod identity;
