r"""Every rule of `tina.grading`'s second table: pairs that are the same answer, and pairs that are not."""

import re

import pytest

import tina.grading
from tina.grading import Grader

SAME, OTHER = "correct", "wrong"

RULES: dict[str, list[tuple[str, str, str]]] = {
    "same words": [
        ("7", "**7**", SAME), ("7", "`7`", SAME), ("7", "$7$", SAME), ("7", "7.", SAME), ("7", "7\\", SAME),
        ("7", r"7\\", SAME), ("7", r"\displaystyle 7", SAME), ("7", r"\mathbf{7}", SAME), ("7", r"\boxed{7}", SAME),
        (r"\frac{1}{2}", r"\left(\frac{1}{2}\right)", SAME), (r"\frac{1}{2}", r"{\frac{1}{2}}", SAME),
        ("g'", "g'", SAME), ("g'", "g", OTHER), ("y'", r"y^{\prime}", SAME), ("y'", "y''", OTHER),
        ("x_{1}", "x_1", SAME), ("x_1", "x_2", OTHER), ("-3", "−3", SAME), ("½", r"\frac12", SAME),
        (r"\sqrt{2}", "√2", SAME), (r"27^{\text{th}}", "27", SAME), ("100!", "100!", SAME), ("100!", "99!", OTHER),
        (r"\frac{2}{3}", r"\\frac{2}{3}", SAME), (r"\frac{\sqrt{17}}{5}", r"\frac{\sqrt17}5", SAME),
    ],
    "numbers": [
        ("2500000", "2,500,000", SAME), ("10080", "10{,}080", SAME), ("10080", r"10\,080", SAME),
        ("1000000", "1 000 000", SAME), ("31415.5", "31415,5", SAME), ("1234", "1.234", OTHER), ("12", "1,2", OTHER),
        ("5", "5.0", SAME), ("0.4", ".4", SAME), ("3", "4", OTHER), ("-3", "3", OTHER), ("3", "03", SAME),
        ("2", "+2", SAME), ("0", "-0", SAME), ("0", "x", OTHER), ("5", "five", OTHER), ("1", "0.999", OTHER),
        ("1/2", "0.5", SAME), ("1/2", r"\frac12", SAME), ("1/2", r"\dfrac{1}{2}", SAME), ("3/4", "6/8", SAME),
        (r"-\frac{1}{2}", r"\frac{1}{-2}", SAME), (r"-\frac{1}{2}", r"\frac{1}{2}", OTHER), ("1/2", "2/1", OTHER),
        ("146.5", r"146\frac{1}{2}", SAME), ("3/2", "1 1/2", SAME), ("31/4", "3 1/4", OTHER), ("13/4", "3 1/4", SAME),
        ("1/3", r"0.\overline{3}", SAME), (r"\frac12", r"{1 \over 2}", SAME),
        ("3.2e21", r"3.2 \times 10^{21}", SAME), ("3.2e21", r"3.2\cdot10^{21}", SAME),
        ("3.2e21", "3.2 x 10^21", SAME),
        ("20", "4 x 5", SAME), ("6", "2x3", SAME), ("24", "2 x 3 x 4", SAME), ("3x", "3 x", SAME),
        ("24", "(2+4) x 4", SAME), ("1/4", "1 over 4", SAME), ("5", "5 squared", OTHER), ("-3", "negative 3", SAME),
        (r"\frac{\sqrt{13}}{2}", "square root of 13 over 2", SAME), (r"25\text{ m}", "25 square meters", OTHER),
        ("8", "2 to the power of 3", SAME), ("512", r"\text{the cube of 8}", SAME), ("2", "5 minus 3", SAME),
        ("3.2e21", "3.2e20", OTHER), ("1e-5", "0.00001", SAME), ("1e-5", "10^{-5}", SAME), ("1.70e4", "17000", SAME),
        ("1.5e-9", "2.5e-9", OTHER), ("5e-7", "0", OTHER), ("6.02e23", "6.02*10^23", SAME),
        ("2^{100}", "1267650600228229401496703205376", SAME), ("2^{100}", "1267650600228229401496703205377", OTHER),
    ],
    "rounding": [
        (r"\sqrt{2}", "1.414", SAME), (r"\sqrt{2}", "1.41", OTHER), (r"\pi", "3.1416", SAME), (r"\pi", "3.14", OTHER),
        ("3.1416", r"\pi", SAME), ("3.14", r"\pi", OTHER), ("1/3", "0.3333", SAME), ("1/3", "0.33", OTHER),
        ("2/3", "0.67", OTHER), (r"\frac{14}{3}", "4.667", SAME),
        (r"(\frac{3}{4},\frac{7}{3}]", "(0.75,2.3333]", SAME),
        ("9.6", "9.62", OTHER), ("1000", "1000.4", OTHER), ("0.3", "0.30000000000000004", SAME),
        ("0.3", "0.3001", OTHER),
        ("30", "30.000000000000004", SAME), (r"e^{\pi\sqrt{163}}", "262537412640768744", OTHER),
    ],
    "per cent": [
        (r"28\%", "28", SAME), ("28", r"28\%", SAME), (r"28\%", "0.28", SAME), ("0.28", "28%", SAME),
        ("28", "0.28", OTHER), (r"28\%", "2800", OTHER), (r"28\%", r"29\%", OTHER), (r"28\%", "28 percent", SAME),
        (r"28\%", r"28\text{ percent}", SAME), (r"\frac{3}{4}", r"75\%", SAME), (r"33\frac13\%", r"33.33\%", SAME),
    ],
    "money": [
        (r"\$12", "12", SAME), ("12", r"\$12", SAME), (r"\$32,500", "32500", SAME), ("18.90", r"\$18.9", SAME),
        ("12", "€12", SAME), ("12", "12 dollars", SAME),         (r"\$1.50", r"150\text{ cents}", SAME),
        (r"\$5", r"5\text{ cents}", OTHER), (r"\$36", r"36^\circ", OTHER), (r"\$5", r"\$6", OTHER),
        ("1432.50", r"\$1,\!432.50", SAME),
    ],
    "units": [
        ("12", r"12\text{ cm}", SAME), ("12", "12 cm^2", SAME), ("12", "12 weeks", SAME), ("12", "12cm", SAME),
        (r"15\mbox{ cm}^2", "15", SAME), (r"15\mbox{ cm}^2", r"15\text{ cm}^3", OTHER),
        ("5 cm", r"5\text{ m}", OTHER),
        (r"5\text{ centimeters}", "5 cm", SAME), (r"12\pi", "12\\pi cm^2", SAME),
        ("9.8", r"9.8\ \mathrm{m/s^2}", SAME), (r"\frac23", r"\frac23\frac{C}{S}", OTHER),
        (r"\frac{1}{4}", r"\frac{1}{4}\text{ liters}", SAME), ("60 mph", r"60\text{ miles per hour}", SAME),
        (r"100\text{ m/s}", "100 km/h", OTHER), ("5m", "5", OTHER),
        ("5mg", "5gm", SAME), ("2x", "2", OTHER), ("2x", "2y", OTHER),
        ("0.7N", "0.70 N", SAME), ("7", "7 apples", SAME), ("100", "100 m2", SAME), ("30 minutes", "30", SAME),
        (r"2 \text{ if } n \text{ is odd}", "2", OTHER), ("5 cm", "50 mm", SAME),
        (r"2\text{ h}", r"120\text{ min}", SAME),
        ("3.5 eV", "3.5 keV", OTHER), ("2 V", "2 mV", OTHER), ("5 T", "5 G", OTHER), ("5 kg", "5 %", OTHER),
        (r"3\ \mathrm{m\,s^{-1}}", r"3\ \frac{\text{m}}{\text{s}}", SAME),
        (r"2\ \mu\text{m}", r"2\times10^{-6}\text{ m}", SAME),
        (r"8\text{ J/(kg K)}", r"8\ \mathrm{J\,kg^{-1}\,K^{-1}}", SAME), (r"\frac34", r"\frac34\ m/s", SAME),
        (r"5\ \Omega", r"5\text{ k}\Omega", OTHER), (r"2M_\odot", "2", SAME), ("36 km/h", r"10\text{ m/s}", SAME),
        ("7 million", "7000000", SAME), ("7", r"7\text{ million}", OTHER), ("24", r"2\text{ dozen}", SAME),
    ],
    "degrees": [
        (r"90^\circ", "90", SAME), ("90", "90°", SAME), (r"90^{\circ}", r"90\text{ degrees}", SAME),
                (r"\frac{180^\circ}{7}", r"\frac{180}{7}^\circ", SAME), (r"\sin{30^\circ}", r"\frac12", SAME),
        (r"\sin 1^\circ", r"\sin 1", OTHER), (r"\mathbf{90^\circ}", "90", SAME), (r"{90}^\circ", "{90^\\circ}", SAME),
        (r"90^\circ", r"80^\circ", OTHER), (r"20^\circ\text{C}", "20", SAME),
    ],
    "words around": [
        ("5", r"\text{The total area is }5", SAME), ("5", r"\text{Answer: }5", SAME), ("5", r"\text{about }5", SAME),
        ("-5", r"\text{negative }5", SAME), ("5", r"\text{minus }5", OTHER), ("5", r"5\text{ (since }x>0)", SAME),
        ("5", r"\text{less than }5", OTHER), ("5", r"\text{half of }5", OTHER), ("5", r"\text{sum of }5", OTHER),
        ("5", r"\text{any number except }5", OTHER), ("5", r"5\text{ or more}", OTHER),
        ("5", r"5\text{ maybe }6", OTHER),
        ("5", r"5\text{ is impossible}", OTHER), ("5", r"5\text{ squared}", OTHER),
        ("5", r"5\text{ hundredths}", OTHER),
        ("5", r"1\text{ remainder }5", OTHER), ("5", r"5\text{ remainder }2", OTHER), ("5", r"5\text{ students}", SAME),
    ],
    "bases": [
        ("47_8", "47_{8}", SAME), ("47_8", "47", SAME), ("47_8", "47_9", OTHER), ("47_8", "46_8", OTHER),
        ("47_8", "39", OTHER), ("312_5", r"312_{\text{five}}", SAME), ("312_5", r"312_{\text{base }5}", SAME),
         ("1A_{16}", "1a_{16}", SAME),
    ],
    "clock and ratio": [
        ("11:00", "1:00", OTHER), ("3:30", r"3:30\text{ p.m.}", SAME), ("3:30 pm", "3:30 am", OTHER),
        ("1:20", "2:40", OTHER), ("3:4", "6:8", SAME), ("3:4", r"\frac34", SAME), ("3:4", "4:3", OTHER),
        ("1:2:3", "2:4:6", SAME), ("1:2:3", "3:2:1", OTHER), (r"\frac{9}{16}", "9:16", SAME), ("6:00 pm", "6 pm", SAME),
    ],
    "expressions": [
        ("x^2+6x+9", "(x+3)^2", SAME), ("x^2+6x+9", "9 + 6*x + x**2", SAME), ("x^2+6x+9", "x^2+6x+8", OTHER),
        ("p-q", "q-p", OTHER), ("3R^2", "3r^2", OTHER), ("ab", "ba", SAME), ("x", "y", OTHER), ("4", "4x", OTHER),
                (r"\sqrt{k/m}", r"\frac{\sqrt k}{\sqrt m}", SAME),
        (r"\frac{1}{\sqrt{LC}}", r"\frac{1}{\sqrt L\sqrt C}", SAME),
        (r"\ln x^3", r"3\ln x", SAME), (r"e^{-\frac{t}{RC}}", "e^{-t/RC}", SAME), (r"\frac{mg}{2k}", "mg/2k", SAME),
        (r"\varphi", r"\phi", SAME), (r"\varphi-\phi", "0", OTHER), (r"\textcolor{red}{x}", "x", SAME),
        (r"\binom{6}{2}", r"{6 \choose 2}", SAME), ("sqrt(sqrt(2))", "2^{1/4}", SAME), ("120", "5!=120", SAME),
        (r"\frac{x^2-1}{x-1}", "x+1", SAME), (r"\frac{1}{\sqrt{2}}", r"\frac{\sqrt{2}}{2}", SAME),
        (r"2\sqrt{3}", r"\sqrt{12}", SAME), (r"\sqrt[3]{2}", "2^{1/3}", SAME), (r"\sqrt{x^2}", "x", OTHER),
        ("sqrt(2)/2", r"\frac{\sqrt2}{2}", SAME), ("5 sqrt 3", r"5\sqrt{3}", SAME),
        ("2^{2009}", r"2\cdot 2^{2008}", SAME), ("2^{2009}", "2^{2008}", OTHER),
        (r"\sin 2x", r"2\sin x\cos x", SAME), (r"\sin x", r"\cos x", OTHER), (r"\cot x", r"\frac{1}{\tan x}", SAME),
        ("1", r"\sin^2 x+\cos^2 x", SAME), ("6-5i", "-5i+6", SAME), ("1+i", "1-i", OTHER), ("i^2", "-1", SAME),
        (r"\binom{6}{2}", "15", SAME), ("5!", "120", SAME), (r"\lfloor 3.7\rfloor", "3", SAME), ("|x|", "|-x|", SAME),
        (r"\sum_{k=1}^{n}kR", r"\sum_{k=1}^{n}kr", OTHER),
        (r"\sum_{k=1}^{n}kR", r"R\sum_{k=1}^{n}k", SAME),
        (r"\log_2 8", "3", SAME), (r"\sum_{k=1}^{10}k", "55", SAME), (r"\int_0^1 x dx", r"\frac12", SAME),
        (r"\lim_{x\to0}\frac{\sin x}{x}", "1", SAME), (r"\gcd(4,6)", "2", SAME), (r"I(0)e^{-t}", "0", OTHER),
        (r"\frac{e^{at}-e^{-at}}{2}", r"\sinh(at)", SAME), (r"\infty", "infinity", SAME),
        (r"\infty", r"-\infty", OTHER),
    ],
    "lists": [
        ("3, 5, 7", "7, 3, 5", SAME), ("3, 5, 7", "3, 5 and 7", SAME), ("3, 5, 7", r"3, 5, \text{ and } 7", SAME),
        ("3, 5, 7", "3, 5", OTHER), ("3, 5, 7", "3, 5, 8", OTHER), ("5", "5, 6", OTHER),
        ("-2;-1;4", "4, -1, -2", SAME),
        (r"\pm 3", "3,-3", SAME), (r"\pm 3", "3", OTHER), (r"x=\pm 2", "x=2, x=-2", SAME),
        (r"1\pm\sqrt{7}", r"1+\sqrt{7}, 1-\sqrt{7}", SAME), (r"1\pm\sqrt{7}", r"1-\sqrt{7}", OTHER),
        ("x=1,y=2", "y=2, x=1", SAME), ("x=1,y=2", "x=2, y=1", OTHER), ("a=1,b=2", "1,2", SAME),
        ("a=1,b=2", "2,1", OTHER),
        ("2,3", r"x = 3 \text{ or } x=2", SAME), ("2", r"x=2 \text{ or } x=3", OTHER),
    ],
    "sets": [
        (r"\{1,2\}", r"\{2,1\}", SAME), (r"\{1,2\}", "1,2", SAME), (r"\{1,2\}", r"\{1,2,3\}", OTHER),
        ("5", r"\{5\}", SAME),
        (r"\{1\pm\sqrt{7},-2\}", r"\{-2, 1+\sqrt7, 1-\sqrt7\}", SAME), (r"\{1,2\}", "(1,2)", OTHER),
        (r"\mathbb{R}", r"(-\infty,\infty)", SAME), (r"\mathbb{R}", r"\text{all real numbers}", SAME),
        (r"\emptyset", r"\varnothing", SAME), (r"\emptyset", r"\{\}", SAME),
    ],
    "tuples": [
        ("(1,2)", "(1, 2)", SAME), ("(1,2)", "(2,1)", OTHER), ("(1,2)", "(1,2,3)", OTHER), ("(1,2)", "1,2", SAME),
        ("(1,2)", "2,1", OTHER), ("(1,2)", "(1;2)", SAME), ("(5,30,-2)", "[5,30,-2]", SAME),
        ("(0.5,2)", r"(\frac12,2)", SAME),
        ("(x,y)=(1,2)", "(1,2)", SAME), ("(1,2)", "x=1, y=2", SAME), (r"\langle 1,2\rangle", "(1,2)", SAME),
        ("(1,2),(3,4)", "(3,4) and (1,2)", SAME), ("(1,2),(3,4)", "(2,1),(3,4)", OTHER),
        ("(1,234)", "(1, 234)", SAME),
    ],
    "intervals": [
        ("(1,2)", "]1,2[", SAME), ("(0,1)", r"0<x \text{ and } x<1", SAME), ("(-1,1)", "|x|<1", SAME),
        ("1,2", "[1,2)", OTHER), ("1,2", "[1,2]", OTHER), ("(1,2)\\cup(3,4)", "(1,2),(3,4)", OTHER),
        ("(1,2]", "[1,2)", OTHER), ("(1,2)", "[1,2]", OTHER), (r"(-\infty,0]", "(-∞, 0]", SAME),
        (r"(2,\infty)", "x>2", SAME),
        ("x>2", r"(2,\infty)", SAME), (r"(2,\infty)", r"x\ge 2", OTHER), (r"x \in [-3,8]", r"-3\le x\le 8", SAME),
        ("[-3,8]", "-3< x\\le 8", OTHER), (r"(-\infty,2)\cup(3,\infty)", r"(3,\infty)\cup(-\infty,2)", SAME),
        (r"(-\infty,2)\cup(3,\infty)", r"(-\infty,2)\cup(4,\infty)", OTHER), ("(0,2)\\cap(1,3)", "(1,2)", SAME),
        (r"(-\infty,2)\cup(3,\infty)", r"x<2 \text{ or } x>3", SAME), ("[x, y)", "[1, 2)", OTHER),
        (r"\mathbb{R}\setminus\{0\}", r"(-\infty,0)\cup(0,\infty)", SAME),
        (r"x\ne 0", r"(-\infty,0)\cup(0,\infty)", SAME),
        (r"(3,\infty)", r"\{x \mid x>3\}", SAME), ("(0,1)\\cup(1,2)", r"(0,2)\setminus\{1\}", SAME),
    ],
    "matrices": [
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{bmatrix} 1 \\ 2 \end{bmatrix}", SAME),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}2\\1\end{pmatrix}", OTHER),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)", SAME),
        (r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}", OTHER),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\left[\begin{array}{cc}1 & 2\\3 & 4\end{array}\right]", SAME),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}", OTHER),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "[[1,2],[3,4]]", SAME),
        (r"\begin{pmatrix}2\\4\end{pmatrix}", r"2\begin{pmatrix}1\\2\end{pmatrix}", SAME),
        (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", "-2", SAME),
        (r"\begin{pmatrix}-1/3\\x\end{pmatrix}", r"\\begin{pmatrix}-\\frac13 \\\\ x\\end{pmatrix}", SAME),
    ],
    "equations": [
        ("x=5", "5", SAME), ("5", "x=5", SAME), ("x=5", "y=5", OTHER), ("x=5", "x=6", OTHER),
        ("f(x)=3x^2", "3x^2", SAME),
        ("y=2x+3", "2x+3", SAME), ("y=2x+3", "2x-y+3=0", SAME), ("y=2x+3", "y-5=2(x-1)", SAME),
        ("y=2x+3", "y=2x+4", OTHER),
        ("x^2+4y^2=9", "4y^2=9-x^2", SAME), ("x^2+4y^2=9", "x^2+4y^2=8", OTHER), ("2x+4y=6", "x+2y=3", SAME),
        ("7=5a+c", "5a+c", OTHER), ("2x+z=1", "1", OTHER), ("1", "x^2+y^2=1", OTHER), ("y=1/x", "xy=1", SAME),
        ("a_n=3n-1", "3n-1", SAME), (r"P(A\cap B)=\frac13", r"\frac13", SAME), (r"\angle ABC=30^\circ", "30", SAME),
        (r"\frac{AB}{CD}=\frac{1}{\sqrt5}", r"\frac{1}{\sqrt5}", SAME), (r"\vec{v}=(1,2)", "(1,2)", SAME),
    ],
    "chains": [
        ("5", r"3 \approx 4 \approx 5", OTHER), ("5", "x = 2+3 = 5", SAME), ("5", "2+3=5", SAME), ("5", "2+3=6", OTHER),
        (r"\sqrt{3}", r"\sqrt{3}\approx 1.732", SAME),
        ("1.73", r"\sqrt{3}\approx 1.73", SAME), (r"\sqrt{3}", r"x = \sqrt{3} \approx 1.73", SAME),
        ("84", r"x = 80 \approx 84", OTHER), ("84", r"80 \approx 81 \approx 84", OTHER), ("5", r"5 \sim 7", OTHER),
        ("5", "6=5", OTHER), ("5", "x=6=5", OTHER), ("5", "|x|=5", OTHER), ("5", "V=lwh=5", SAME), ("5", "5=x", SAME),
        ("84", "m+n=84", SAME), ("84", "f(2)+f(3)=84", SAME), ("84", "m+2n=84", OTHER), ("m+n=84", "84", OTHER),
        (r"\frac12", r"\frac12\ (0.5)", SAME), (r"\frac12", r"\frac12 \text{ or } 0.5", SAME),
        (r"\frac12", r"\frac12\ (0.6)", OTHER), (r"\frac12", r"\frac12 \text{ or } 0.6", OTHER),
    ],
    "domains": [
        (r"2n+1, n\in\mathbb{N}", "2n+1", SAME), ("3k", r"3k, k\in\mathbb{Z}", SAME),
        ("3k", "2k, k is an integer", OTHER),
        (r"3k, k\in\mathbb{Z}", r"3k, k\in\mathbb{N}", OTHER), ("2n", r"2n \text{ for } n \ge 1", SAME),
        ("3k", r"3m, k\in\mathbb{Z}", OTHER), (r"f(x)=cx \text{ for any constant } c", "f(x)=cx", SAME),
        ("cx", r"f(x)=cx \text{ for some constant } c", SAME), (r"f(x)=2x \text{ for all real } x", "2x", SAME),
        (r"n^2 \text{ where } n \text{ is odd}", "n^2", SAME), ("n^2", "n^2, where n is an odd integer", SAME),
        (r"f(x)=cx \text{ for any constant } c", r"cx \text{ (where } c \text{ is a constant)}", SAME),
        (r"f(x)=cx \text{ for any constant } c", r"cx, c \in \mathbb{R}", SAME),
        (r"f(x)=x \text{ for all real } x", r"x, x \in \mathbb{R}", SAME),
        (r"f(x)=x \text{ for all real } x", r"x \text{ for all real numbers } x", SAME),
        (r"n^2 \text{ where } n \text{ is odd}", r"n^2 \text{ where } n \text{ is even}", OTHER),
        (r"f(x)=x \text{ for all integers } x", r"x \text{ for all real } x", OTHER),
        (r"f(x)=cx \text{ for any constant } c", "f(x)=2x", OTHER), (r"2x \text{ for all real } y", "2x", OTHER),
        ("x^2", r"f(x) = x^2 \text{ for all } x", SAME), ("x^2", "x^2 for all x", SAME),
        ("x^2", "x^2 for every x", SAME), ("cx for any constant c", "cx for all x", SAME),
        ("x^2", "x^2 for all real values of x", SAME), ("x^2", r"x^2, \text{ for all values of } x", SAME),
        (r"x^2 \text{ for all real } x", "x^2 for all real values of x", SAME), ("x^2", "y^2 for all y", OTHER),
        (r"x^2 \text{ for all } x", r"x^2, \forall x \in \mathbb{R}", SAME), ("x^2", "x^3 for all x", OTHER),
        ("x^2+c", "x^2+c, where c is an arbitrary constant", SAME), ("ax+b", "ax+b where a, b are constants", SAME),
        ("x^2+C", "x^2+C, where C is the constant of integration", SAME),
        (r"f(x)=ax+b \text{ where } a, b \text{ are constants}", "ax+b, where a and b are arbitrary constants", SAME),
        (r"f(x)=ax+b \text{ where } a, b \text{ are constants}", "ax, where a is a constant", OTHER),
        (r"3k, k \in \mathbb{Z}^+", "3k", SAME), (r"3k, k \in \mathbb{Z}^+", r"3k, k \in \mathbb{Z}_{>0}", SAME),
        (r"3k, k \in \mathbb{Z}^+", "3k, where k is a positive integer", SAME),
        (r"3k, k \in \mathbb{Z}_{>0}", r"3k \text{ for all positive integers } k", SAME),
        (r"3k, k \in \mathbb{Z}^{+}", r"3k, k \in \mathbb{Z}_{\ge 1}", SAME),
        (r"3k, k \in \mathbb{Z}_{\geq 0}", "3k, where k is a non-negative integer", SAME),
        (r"3k, k \in \mathbb{Z}^+", r"3k, k \in \mathbb{Z}", OTHER),
        (r"3k, k \in \mathbb{Z}^+", "3k, where k is a negative integer", OTHER),
        (r"\frac1x, x \in \mathbb{R}\setminus\{0\}", r"\frac1x, \text{ where } x \text{ is a nonzero real}", SAME),
        (r"2^n \text{ for all } n \ge 1", "2^n for all positive integers n", SAME),
        (r"2^n \text{ for all } n \ge 1", r"2^n \text{ for all } n \ge 3", OTHER),
        (r"cx, c \in \mathbb{R}_{>0}", "cx, where c is a positive real number", SAME),
    ],
    "inequalities": [
        (r"x \geq 4", r"4 \leq x", SAME), (r"x \geq 4", "x>4", OTHER), ("x<3", "x>3", OTHER), ("x<3", "3", OTHER),
        ("1<x<3", "3>x>1", SAME), ("1<x<3", "1<x<4", OTHER), ("2x<6", "x<3", SAME), ("-x<3", "x>-3", SAME),
    ],
    "words": [
        (r"\text{Maria}", "Maria", SAME), (r"\text{Maria}", "maria", SAME), ("north", "thorn", OTHER),
        ("yes", "Yes.", SAME),
        ("yes", "no", OTHER), (r"\text{odd}", r"\textbf{odd}", SAME), (r"\text{odd}", r"\text{even}", OTHER),
        ("no solution", r"\emptyset", SAME), (r"\text{Ann and Bob}", "Ann and Bob", SAME), (r"\text{12}", "12", SAME),
    ],
    "choices": [
        ("C", r"\text{C}", SAME), (r"\text{(C)}", "C", SAME), ("C", "(c)", SAME), ("C", "C. 5 m/s", SAME),
        ("C", "D", OTHER), ("C", "C or D", OTHER), ("C", "C) d", OTHER), ("C", "c. maybe d", OTHER), ("E", "e", OTHER),
        ("I", "i", OTHER), ("C", "Option C", SAME), ("C", r"\text{Choice (C)}", SAME),
        ("C", r"\text{(C) } 5", SAME), ("B", r"\textbf{(B)}", SAME), ("A", "B, C", OTHER),
        ("A", "A, B, C, D", OTHER), ("A", "A. B. C.", OTHER),
        (r"\textbf{(C)}\ 5", "C", SAME),
        (r"\textbf{(C)}\ 5", "5", SAME), (r"\textbf{(C)}\ 5", "D", OTHER),
    ],
    "prose": [
        ("The sum of two odd numbers is even", "the sum of two odd numbers is even", SAME),
        ("The sum of two odd numbers is even", "It is odd", "unjudged"),
    ],
}  # fmt: skip


def table_rows(table: int) -> list[str]:
    """The names in the first column of one of the docstring's tables."""
    tables = re.findall(r"\| rule \| what it says \|\n\| --- \| --- \|\n((?:\|.*\n)+)", tina.grading.__doc__)
    return [line.split(" | ")[0].removeprefix("| ") for line in tables[table].splitlines()]


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str, grader: Grader) -> None:
    golds, answers = [case[0] for case in RULES[rule]], [case[1] for case in RULES[rule]]
    grades = grader.grade(golds, [f"<think>\nhm\n</think>\nIt is $\\boxed{{{answer}}}$." for answer in answers])
    other = [(*case, grade) for case, grade in zip(RULES[rule], grades, strict=True) if grade.verdict != case[2]]
    assert not other


def test_each_row_of_the_table_has_its_cases() -> None:
    assert table_rows(1) == list(RULES)


def test_a_bare_answer_is_judged_like_a_boxed_one(grader: Grader) -> None:
    cases = [case for rule, cases in RULES.items() if rule != "prose" for case in cases]
    golds, answers, _ = zip(*cases, strict=True)
    bare, boxed = grader.grade(golds, answers), grader.grade(golds, [f"\\boxed{{{answer}}}" for answer in answers])
    assert [(case, a, b) for case, a, b in zip(cases, bare, boxed, strict=True) if a.verdict != b.verdict] == []
