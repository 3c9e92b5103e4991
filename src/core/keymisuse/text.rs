//! Fast writing of log lines: numbers and fixed texts into one buffer, nothing allocated a line.

/// Appends a whole number.
pub(crate) fn put_number(out: &mut String, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = number;
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(left % 10).expect("a remainder of ten is one digit");
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|&digit| char::from(digit)));
}

/// Appends milliseconds with three decimals.
pub(crate) fn put_ms(out: &mut String, us: u32) {
    put_number(out, u64::from(us / 1000));
    let rest = us % 1000;
    out.push('.');
    if rest < 100 {
        out.push('0');
    }
    if rest < 10 {
        out.push('0');
    }
    put_number(out, u64::from(rest));
}

/// Appends 16 hexadecimal digits.
pub(crate) fn put_hex(out: &mut String, bits: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |byte: u8| char::from(DIGITS[usize::from(byte & 15)]);
    out.extend(bits.to_be_bytes().into_iter().flat_map(|byte| [digit(byte >> 4), digit(byte)]));
}

/// Appends texts and numbers in the order they are read.
macro_rules! put {
    ($out:expr, $($part:expr),* $(,)?) => { $( $crate::keymisuse::text::Put::put_to(&$part, $out); )* };
}
pub(crate) use put;

/// What [`put!`] writes.
pub(crate) trait Put {
    fn put_to(&self, out: &mut String);
}

impl Put for &str {
    fn put_to(&self, out: &mut String) {
        out.push_str(self);
    }
}

impl Put for &String {
    fn put_to(&self, out: &mut String) {
        out.push_str(self);
    }
}

impl Put for u64 {
    fn put_to(&self, out: &mut String) {
        put_number(out, *self);
    }
}

impl Put for u32 {
    fn put_to(&self, out: &mut String) {
        put_number(out, u64::from(*self));
    }
}

impl Put for u16 {
    fn put_to(&self, out: &mut String) {
        put_number(out, u64::from(*self));
    }
}

impl Put for usize {
    fn put_to(&self, out: &mut String) {
        put_number(out, *self as u64);
    }
}

impl Put for super::registry::Address {
    fn put_to(&self, out: &mut String) {
        self.put(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_everybody_writes_them() {
        let mut out = String::new();
        put!(&mut out, 0_u64, " ", u64::MAX, " ", 10_u16);
        out.push(' ');
        put_ms(&mut out, 12_007);
        out.push(' ');
        put_hex(&mut out, 0x0f_1234);
        assert_eq!(out, "0 18446744073709551615 10 12.007 00000000000f1234");
    }
}
