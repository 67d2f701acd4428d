"""Mistakes in chains, arguments and expressions, by example; the notation is dsl/syntax_errors.py's."""

TABLE = r"""
broken-chain: a chain does not end with ->
  = put a word after it, as in dense 16 -> relu
    dense 16 -> ¦ dense 16 ->\ninput x: f32 ¦ a = dense 3 -> ¦ output p = h -> ¦ part g { dense 3 -> }
    output p = h ->\nrelu ¦ dense 3 -> relu -> ¦ dense 3 -> relu ->\nflatten ¦ part g { dense 3 -> relu -> }
broken-chain: nothing stands between two arrows
  = put a word there, or remove an arrow
    dense 3 -> -> relu ¦ output p = h -> -> relu ¦ dense 3 -> relu -> -> tanh
broken-chain: no arrow stands before the first word of a chain
  = remove it: a chain goes on by itself from the value of the chain before
    -> relu ¦ a = -> relu ¦ output p = -> relu ¦ part g { -> relu }
broken-chain: -> goes on a chain, and this sentence is none
  = a line that starts with -> belongs to the line before; a chain is named by NAME = …, without let
    net a\n-> relu ¦ let a = §\n-> relu ¦ input x: f32\n-> relu ¦ input x: f32[3]\n-> relu
    input x: class(3)\n-> relu ¦ train a=§\n-> relu ¦ metric f1\n-> relu ¦ metric f1(a)\n-> relu
    targets numpy\n-> relu ¦ data "f.csv"\n-> relu ¦ import "f.net"\n-> relu ¦ output p\n-> relu
    part g { relu }\n-> relu ¦ let a = n + 3 -> relu ¦ loss mse -> relu ¦ loss mse + 3 -> relu
    loss a = mse -> relu ¦ loss f(x) -> relu ¦ repeat § -> relu ¦ def activation f(x) = x -> relu ¦ if a -> relu
    updater adam -> relu ¦ updater adam lr=§ -> relu ¦ updater adam(3) -> relu ¦ updater adam lr=-3 -> relu
    let a = (n -> relu) ¦ let a = f(n -> relu) ¦ dense (relu -> tanh)
unwanted-comma: no comma stands between words, or between options
  = they are parted by blanks: metric accuracy f1, train epochs=5 batch=32
    metric accuracy, f1 ¦ metric f1(k), accuracy ¦ targets numpy, step ¦ train epochs=§, batch=3
    data "f.csv", x=a ¦ input x: f32[4], lengths=true ¦ input x: f32, lengths=true
    input x: class(3), lengths=true
unwanted-comma: no comma stands between layers, or between the arguments of a word
  = layers are joined by ->, and arguments are parted by blanks: conv 16 3x3 -> relu
    relu, dense 3 ¦ dense §, relu ¦ dense -3, relu ¦ dense in.features, relu ¦ dense a=§, b=3 ¦ dense a=-3, b=3
    dense a=1..4, b=3 ¦ dense(3), relu ¦ dense(), relu ¦ dense(a=3), relu ¦ output p = relu, dense 3
    threshold spam §, 3
quotes: a word has no quotes around it
  = remove the quotes
    relu -> "dense" 3 ¦ "dense" 3 ¦ net a\nrelu\n"dense" 3
broken-chain, anything: a word must follow the arrow, but here is {found}
  = a layer is a word and its arguments: dense 16
    dense 3 -> 16 ¦ dense 3 -> (n) ¦ output p = h -> 3 ¦ dense 3 -> relu -> 16
broken-chain, anything: {word} = names the value of a chain, but no word of a chain follows
  = arguments stand right after their word, as in dense 16; a constant is let NAME = VALUE
    dense = 16 ¦ dense = (n) ¦ loss = "mse" ¦ a = [1] ¦ a = ¦ a =\nrelu
broken-chain: a chain has one name
  = name the other chain in a sentence of its own
    a = b = dense 3
bare-arithmetic: a chain has no operators
  = arithmetic of an argument stands in parentheses, values are combined by words such as add, and formulas stand in def
    z = x ° y ¦ dense °k ¦ relu -> dense -n ¦ dense < 3 ¦ dense() * 3 ¦ dense(§) ° 3 ¦ dense(§) < 3
broken-chain: = does not join layers
  = an arrow does: dense 16 -> relu; an option is key=value, without blanks
    dense § => relu ¦ dense 3 => relu -> tanh ¦ relu() => dense 3
body-syntax: no body may stand here
  = part, def, repeat and if have bodies
    dense { relu } ¦ dense § { relu } ¦ a = dense 3 { relu } ¦ dense(3) { relu } ¦ net a { relu }
    let a = § { relu } ¦ train a=§ { relu } ¦ input x: f32 { relu } ¦ input x: f32[3] { relu } ¦ loss § { relu }
    output p { relu } ¦ data "f.csv" { relu } ¦ updater adam { relu } ¦ updater adam lr=§ { relu }
bare-arithmetic: a comparison in an argument stands in parentheses
  = write ({term}); layers are joined by ->
    dense § < k
bare-arithmetic: arithmetic of an argument stands in parentheses
  = write ({term})
    dense §°k ¦ dense § ° k ¦ dense -3°k ¦ dense in.features°k ¦ train a=§°k ¦ threshold spam §°k
    dense 3 -3*k ¦ dense 3 -3^k ¦ dense a=-k ¦ train a=-k ¦ dense n -k ¦ dense 3 -k
argument-syntax: a colon cannot stand here
  = an option is written key=value; a sentence such as input NAME: TYPE has small letters, and stands outside of bodies
    dense units: 3 ¦ relu: 3 ¦ dense §: 3 ¦ part g { input x: f32 } ¦ train epochs: 3 ¦ input x: f32 lengths: true
    loss mse: p
argument-syntax, anything: {word} needs a value
  = an option is written key=value
    dense a=3 foo ¦ dense a=1 b c=3 ¦ dense a=3 foo bar ¦ train epochs ¦ train epochs\nrelu ¦ train epochs 100
    input x: f32 lengths
argument-syntax, anything: {word} needs a value
  = an option is written key=value, and what a loss compares stands in parentheses: mse(p, y)
    loss huber delta ¦ loss huber delta 3
argument-syntax, anything: a value must follow =
  = an option is written key=value, without blanks
    dense a= ¦ dense a=\nrelu ¦ dense(a=) ¦ loss huber delta= ¦ dense a=, 3
argument-syntax: a span of columns is first..last, two names or numbers
  = as in x=age..income or x=1..4
    train x=1.. ¦ train x=1..\nrelu ¦ train x=a..-3 ¦ train x=a..(b) ¦ train x=1..2..3 ¦ train x=..3
    train x=f(a)..3 ¦ train x=(n)..3 ¦ train x=-3..3 ¦ dense(x=1..) ¦ dense(x=(n)..3) ¦ dense 1..3 ¦ dense a..b
    let x = 1..3 ¦ let x = a..b ¦ if a..b { relu } ¦ dense [1..3] ¦ dense(1..3) ¦ input x: f32(0..1)
    input x: f32[0..1]
argument-syntax: positional arguments stand before key=value ones
  = move {found} to the front; the arguments of a value stand in parentheses, as in lr=step(0.1, every=5)
    dense a=3 ¶ ¦ dense a=n ¶ ¦ dense a=3 -3 ¦ dense a=f(n) 3 ¦ dense a=1..4 3 ¦ dense a=[1] 3 ¦ dense(a=3, 3)
    dense(a=3, (n)) ¦ dense(a=3, b) ¦ dense(a=3, b, 3) ¦ let x = f(a=3, -n)
type-syntax, anything: a type says in brackets how many numbers there are, and in parentheses how many classes
  = as in f32[4], f32[1, 28, 28] or class(10)
    input x: f32 3 ¦ target y: class 3 ¦ input x: f32[4] 3 ¦ input x: class(3) "a"
argument-syntax, anything: options are written key=value
  = as in train epochs=10
    train 3 ¦ train "a" ¦ train ¦ train\nrelu ¦ data "f.csv" 3 ¦ data "f.csv" "g.csv"
    def layer f() { weight W: [n] 3 }
argument-syntax: the options of a loss are written key=value
  = as in loss huber delta=2
    loss huber 3 ¦ loss huber "a" ¦ loss huber true ¦ loss huber 3x3
call-syntax: commas stand in the parentheses of a call, which touch its word, and in brackets
  = write dense(16, bias=false) without a blank; a window is 3x3, and a list [3, 3]
    dense (16, bias=false) ¦ loss mse (a, b) ¦ dense a=(3, 3) ¦ dense(3, (n, 3)) ¦ dense(a=(3, 3)) ¦ dense 3 (3, 3)
call-syntax: the parenthesis of a call touches its word
  = remove the blank before (
    let a = f (x) ¦ def block f (n) { relu } ¦ def activation f (x) = x
    def layer f (n) { return n } ¦ input x: class (3)
call-syntax: = cannot stand in parentheses that group
  = write == to compare; the parenthesis of a call touches its word: dense(bias=false)
    dense (bias=false) ¦ updater adam (lr=3) ¦ if (n = 3) { relu } ¦ let a = (n = 3)
type-syntax: the bracket of a shape touches its type
  = remove the blank before [
    input x: f32 [4]
call-syntax: a comma is missing before {found}
  = arguments in parentheses and items in brackets are parted by commas
    dense(§ 3) ¦ dense(a=§ 3) ¦ dense(a=§ b=3) ¦ dense(§ b) ¦ let a = [§ 3] ¦ let a = f(b, c d)
    input x: f32[T 8] ¦ input x: class("a" "b") ¦ dense(a=1..4 3)
call-syntax: a comma has nothing on one side
  = remove it
    dense(3, ) ¦ dense(a=3, ) ¦ dense(, 3) ¦ dense(3,, 3) ¦ dense(a=3,, b=3) ¦ let a = [1, ] ¦ let a = [, 1]
    input x: f32[1, ] ¦ input x: f32[, 1] ¦ loss a trains g, ¦ def block f(a, ) { relu }
call-syntax: the parentheses hold nothing
  = remove them
    dense () ¦ let a = () ¦ let a = 3 * ()
broken-chain: a layer is not called with what goes into it
  = that stands before an arrow: x -> dense 16
    dense(3)(n) ¦ a = dense(3)(n) ¦ dense(3, b=3)(n)
argument-syntax: two arguments must not touch
  = put a blank before {found}
    dense 3(n) ¦ dense n[1] ¦ dense f(n)[1] ¦ dense[1] ¦ dense(3)[1]
expression-syntax: values have no indices
    let a = n[1] ¦ let a = f(n)[1] ¦ let a = (n)[1]
expression-syntax: a function stands by itself, behind no dot
  = as in tanh(x), where others write np.tanh(x) or x.tanh()
    let a = np.tanh(n) ¦ def activation f(x) = np.tanh(x) ¦ def layer f() { return in.tanh() } ¦ let a = (n.tanh(3))
    def layer f() { a = np.tanh(n) }
expression-syntax: the operator * is missing
  = write * to multiply
    let a = 3(n) ¦ let a = 2(n)
expression-syntax: an expression cannot end here
  = a value must follow {word}
    let a = n ° ¦ let a = n < ¦ let a = n +\nrelu ¦ let a = n *\nrelu ¦ let a = n ^\nrelu ¦ let a = not ¦ let a = n and
    let a = n or ¦ let a = - ¦ let a = (n + ) ¦ let a = f(n * ) ¦ dense(n - ) ¦ if n > { relu }
    if n and { relu } ¦ if not { relu }
expression-syntax: two operators stand side by side
  = a power is written ^; a whole quotient and a remainder are words, not operators
    let a = n ** 2 ¦ let a = n // 2 ¦ let a = n * / 2 ¦ let a = n + * 2 ¦ let a = n + + 2 ¦ let a = n ^^ 2
    let a = n @ @ 2
expression-syntax: no operator but - stands before a value
  = remove it
    let a = +3 ¦ let a = *3
expression-syntax: an operator is missing before {found}
  = two values in an expression are joined by an operator; a choice is where(condition, a, b); a body stands in braces
    let a = § b ¦ let a = § 3 ¦ let a = § "s" ¦ if § b { relu } ¦ loss ¶ mse ¦ loss mse + § mae
    repeat § b { relu } ¦ def loss f(p, y) = § b ¦ def layer f() { a = § b }
    def layer f() { return § b } ¦ let a = (§ b)
    def layer f() { a = § 3 } ¦ loss ¶ 3
equals: = does not compare
  = write == to compare
    if § = 3 { relu } ¦ let a = § = 3 ¦ def loss f(p, y) = § = 3 ¦ if n + 1 = 3 { relu } ¦ let a = n.b = 3
equals: comparisons do not chain
  = write a < b and b < c
    let a = b < c < d ¦ if b == c == d { relu } ¦ let a = (n) < (n) < 3
expression-syntax, anywhere: % stands only right after a number
    dense 16 % 2
"""
