r"""Unicode spellings of mathematics as LaTeX: √(2), x², ⅝, 𝑥, ≤, π, full-width digits."""

import re
import unicodedata

_ASCII = str.maketrans({**dict.fromkeys("\t\r\n\f\v", " "), **dict.fromkeys('"`', None)})

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("−–—‐‑﹣－", "-"),
        **dict.fromkeys("×✕⋅·∙•∗", r"\cdot "),
        **dict.fromkeys("\u00a0\u2002\u2003\u2009\u200a\u202f\u3000\x85\u2028\u2029", " "),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff“”✓✔✅∎■□", None),
        **dict.fromkeys("°º˚", "°"),
        **dict.fromkeys("′’‘", "'"),
        **dict.fromkeys("″", "''"),
        **dict.fromkeys("\u00b5\u03bc", r"\mu "),
        **dict.fromkeys("\u03a9\u2126", r"\Omega "),
        **dict.fromkeys("\u00c5\u212b", r"\text{Å}"),
        "÷": "/", "⁄": "/", "∕": "/", "±": r"\pm ", "∓": r"\mp ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ",
        "⩽": r"\le ", "⩾": r"\ge ", "≦": r"\le ", "≧": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "≃": r"\approx ",
        "∈": r"\in ", "∪": r"\cup ", "∩": r"\cap ", "∅": r"\emptyset ", "∖": r"\setminus ", "√": r"\sqrt ",
        "∛": r"\sqrt[3]", "∜": r"\sqrt[4]", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "∠": r"\angle ",
        "∀": r"\forall ", "△": r"\triangle ", "…": r"\ldots ",
        "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}",
        "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "⟨": "(", "⟩": ")", "、": ",", "。": ".", "¢": r"\text{ cents}",
        "☉": r"\odot ", "⊙": r"\odot ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ",
        "ε": r"\epsilon ", "ϵ": r"\epsilon ", "ζ": r"\zeta ", "η": r"\eta ", "θ": r"\theta ", "ϑ": r"\theta ",
        "κ": r"\kappa ", "λ": r"\lambda ", "ν": r"\nu ", "ξ": r"\xi ", "π": r"\pi ", "ρ": r"\rho ", "σ": r"\sigma ",
        "τ": r"\tau ", "φ": r"\phi ", "ϕ": r"\phi ", "χ": r"\chi ", "ψ": r"\psi ", "ω": r"\omega ", "Γ": r"\Gamma ",
        "Δ": r"\Delta ", "Θ": r"\Theta ", "Λ": r"\Lambda ", "Π": r"\Pi ", "Σ": r"\Sigma ", "Φ": r"\Phi ",
        "Ψ": r"\Psi ", "ℏ": r"\hbar ", "ℓ": "l",
    }
)  # fmt: skip

_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱ", "0123456789+-()ni", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₒₓₙₘₖᵢⱼ", "0123456789+-aeoxnmkij", strict=True))
_RAISED_RUN = re.compile(f"[{''.join(_RAISED)}]+")
_LOWERED_RUN = re.compile(f"[{''.join(_LOWERED)}]+")
_RAISED_OVER_LOWERED = re.compile("(?<![⁰¹²³⁴-⁹])([⁰¹²³⁴-⁹]+)[/⁄∕]([₀-₉]+)")
_FRACTION_SIGN = re.compile(r"[¼-¾⅐-⅞↉]")
_COMPATIBLE = re.compile("[\uff01-\uff5e\U0001d400-\U0001d7ff]")


def ascii_math(text: str) -> str:
    """The text in ASCII as far as mathematics goes; degree and currency signs and other scripts' words are kept."""
    text = text.translate(_ASCII)
    if text.isascii():
        return text
    text = _RAISED_RUN.sub(lambda run: f"^{{{''.join(_RAISED[sign] for sign in run.group())}}}", text)
    text = _LOWERED_RUN.sub(lambda run: f"_{{{''.join(_LOWERED[sign] for sign in run.group())}}}", text)
    text = _FRACTION_SIGN.sub(_fraction, text)
    text = _COMPATIBLE.sub(lambda sign: unicodedata.normalize("NFKC", sign.group()), text)
    return text.translate(_SIGNS)


def plain_fractions(text: str) -> str:
    """The text with fractions in ordinary digits: 3/4 for ³/₄ and 3⁄4, 1 3/4 for 1³⁄₄."""
    if text.isascii():
        return text
    text = _RAISED_OVER_LOWERED.sub(_spelled_fraction, text)
    return re.sub("(?<=[0-9]) ?[⁄∕] ?(?=[0-9])", "/", text)


def _spelled_fraction(found: re.Match[str]) -> str:
    space = " " if found.string[max(0, found.start() - 1) : found.start()].isdecimal() else ""
    return space + unicodedata.normalize("NFKC", f"{found[1]}/{found[2]}")


def _fraction(sign: re.Match[str]) -> str:
    above, _, below = unicodedata.normalize("NFKC", sign.group()).partition("⁄")
    return rf"\frac{{{above}}}{{{below}}}"
