r"""The one place that decides whether an answer is right.

    grader = Grader()                                # conf/grading/*.yaml: mode, timeout_s, max_chars, workers
    grades = grader.grade(golds, completions)        # Grade(verdict, answer, reason) for each row
    python -m tina.grading '\frac{1}{2}' 'so \boxed{0.5}'

Verdicts are "correct", "wrong" and "unjudged" (nobody can say, since the gold does not parse). An answer that is
refused, over the time limit, or too much for its worker is wrong, and counted. Most answers are judged in the calling
process within some 0.1 ms; what needs computer algebra goes to a pool of processes, which starts when it is first
needed.

Where the answer is looked for (mode "sound"); the first rule that finds something holds:

| rule | what it says |
| --- | --- |
| after think | only the text after the last closing think tag counts; the whole text if there is no such tag |
| last box | the last closed \boxed, \fbox, \framebox, but no \boxed{...}; several with separators between are a list |
| unclosed box | has been cut off: it is no answer, and what it holds is not searched |
| answer tag | the content of the last <answer> tag, which may be an expression or a sentence, and need not be closed |
| after #### | GSM8K's mark |
| choice letter | only for a gold A to J: "answer is (C)", "B is correct", or the letter on a line alone |
| after "answer is" | what follows the last "answer is" or "answer:" up to the end of the clause, or its first formula |
| bare expression | a text that is one expression, or up to three words, is the answer |
| math-verify's search | for a text with LaTeX in it: the last expression by math-verify's priorities |
| last number | for a text without LaTeX: its last number and the expression it is a part of; a time; a point |

When an answer is the gold's:

| rule | what it says |
| --- | --- |
| same words | equal but for spelling in LaTeX, Unicode or Python, spacing, sizes, styles, colours, final punctuation |
| numbers | exact as fractions: 2,500,000, \frac43, 7 1/2, 1.70e4, 5 million, "minus 1 over 4"; "1000,99" is a decimal |
| rounding | a decimal of 4 significant digits or more equals what rounds to it (1.414, 2.6667); 0.33 is not 1/3 |
| per cent | 28\% is 28, and it is 0.28; but 28 is not 0.28 |
| money | is a unit: \$5 is 5 and 500 cents, but not \pounds5 |
| units | do not count if only one side has them; two known ones are converted, or clash; 5m is five times m |
| degrees | are a unit; in the argument of a function, \frac{\pi}{180} |
| words around | "the area is" and "about" in front do not count, "minus" does; "less than 5", "5 or more" are not 5 |
| bases | 52_8: digits must agree; the base too, if both sides name one |
| clock and ratio | 3:30 is a time, with a.m. or p.m. if both sides say so; 6:8 is 3:4 and \frac34; 2:4:6 is 1:2:3 |
| expressions | equal as functions of their variables, over the reals where both are real; letters keep their case |
| lists | items without brackets, or joined by "and" or "or", in any order; \pm stands for both values |
| sets | in any order; a set of one item is the item; a set is a list but never a tuple |
| tuples | in order; a list may stand for one in parentheses if its order agrees; of two items the brackets must agree |
| intervals | are tuples whose brackets matter, and inequalities: -2 < x \le 7 is (-2,7]; unions in any order |
| matrices | cell by cell whatever the brackets; a vector is also the tuple of its entries |
| equations | x = 5 is 5, but not y = 5; two equations are equal up to a factor or if they have the same solutions |
| chains | x = 2+3 = 5 says 5, x = 6 = 5 nothing; \sqrt2 \approx 1.41 says both if one is the other rounded |
| domains | 3k, k \in \mathbb{Z} is 3k, and not 3k, k \in \mathbb{N}; so "for any constant c", "where k is an integer" |
| inequalities | direction and strictness must agree; either side may come first |
| words | letters must agree, whatever their case; \text{} does not count; no solution is the empty set |
| choices | C, (c), "C. 5 m", Option C name the option C; "C or D" and "C) d" name none |
| prose | a gold of several words can be met only by the same words; any other answer is unjudged |

Contested on purpose: lists without brackets are unordered (Hendrycks' MATH grader wants "4, 10, -2" in this order);
"10cm" is 10 (MARIO's wants a space); x \in [-2,7] and -2 \le x \le 7 are equal both ways, and a line break inside
\( \) changes nothing (math-verify's tests say otherwise).
"""

from tina.grading.grade import Grade
from tina.grading.grader import Grader, gold_parses

__all__ = ["Grade", "Grader", "gold_parses"]
