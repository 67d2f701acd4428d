"""Mistakes in sentences and bodies, and in what the lexer reads, by example; the notation is dsl/syntax_errors.py's."""

TABLE = r"""
incomplete-sentence, anything: net needs a name
  = as in net iris
    net ¦ net\nrelu ¦ net "iris" ¦ net: iris
incomplete-sentence, anything: a sentence of net is net NAME
  = remove what follows the name
    net a b ¦ net a 3 ¦ net a = 3 ¦ net a: 3
incomplete-sentence, anything: let needs a name, = and a value
  = as in let width = 128
    let ¦ let\nrelu ¦ let a ¦ let a 3 ¦ let a: 3 ¦ let a = ¦ let a =\nrelu ¦ let 3 ¦ let a, b = 3
type-syntax, anything: a colon and a type must follow the name {word}
  = as in {word}: f32[4], or {word}: class(10)
    input x ¦ input x\nrelu ¦ input x f32[4] ¦ input x, y: f32 ¦ input x(3) ¦ target y class(3)
type-syntax, anything: a type must follow the colon
  = as in f32[4], class(3) or binary
    input x: ¦ input x:\nrelu ¦ input x: [4] ¦ input x: 4 ¦ input x: "f32" ¦ input x: (4)
incomplete-sentence, anything: {word} needs a name
  = as in input flower: f32[4]
    input ¦ input: f32 ¦ input 3 ¦ input\nrelu
type-syntax: the parentheses or brackets of a type are empty
  = remove them, or say what they hold
    input x: f32[] ¦ input x: class() ¦ def layer f() { weight W: [] }
type-syntax: a type has one list of sizes
  = write them all in one: f32[4, 5]
    input x: f32[4][5]
incomplete-sentence, anything: output needs a name
  = as in output p, or output p = h -> dense 1
    output ¦ output\nrelu ¦ output 3 ¦ output "p"
incomplete-sentence, anything: a sentence of output is output NAME, or output NAME = chain
    output p 3 ¦ output p, q ¦ output p q ¦ output p: f32 ¦ output p(3)
incomplete-sentence, anything: a chain must follow output {word} =
    output p = ¦ output p =\nrelu ¦ output p = 3
incomplete-sentence, anything: threshold needs an output and a value
  = as in threshold spam 0.4, or threshold spam best(f1)
    threshold ¦ threshold\nrelu ¦ threshold spam ¦ threshold spam\nrelu ¦ threshold 3 ¦ threshold spam = 3
    threshold spam: 3 ¦ threshold spam, 3
incomplete-sentence: threshold takes one value
  = a cost table is a list of lists
    threshold spam § 3 ¦ threshold spam 3 a=3 ¦ threshold spam n -3
incomplete-sentence, anything: loss needs a word, or an expression over outputs and targets
  = as in loss mcxent, or loss mse(price, y) + 0.3 * mcxent(kind, k)
    loss ¦ loss\nrelu ¦ loss a = ¦ loss a =\nrelu ¦ loss: mse ¦ loss , a
loss-syntax: one loss stands in a sentence
  = join losses by +, or write another sentence: losses step in order
    loss mse, mae ¦ loss f(a), mae
loss-syntax, anything: trains needs the parts that the loss moves
  = as in trains generator, discriminator
    loss a trains ¦ loss a trains\nrelu ¦ loss a trains 3 ¦ loss f(a) trains g, 3
loss-syntax: the parts that a loss trains are parted by commas
    loss a trains g h ¦ loss a trains g = 3 ¦ loss a trains g, h k
loss-syntax, anything: with needs an updater
  = as in with adam(2e-4, beta1=0.5)
    loss a with ¦ loss a with\nrelu ¦ loss a trains g with ¦ loss a with "adam"
loss-syntax, anything: the options of an updater after with stand in parentheses
  = as in with adam(2e-4, beta1=0.5)
    loss a with adam lr=3 ¦ loss a with adam 3 ¦ loss a with adam, lr=3 ¦ loss a with adam (3)
loss-syntax: with stands once, and last
    loss a with adam(3) with sgd ¦ loss a with adam(3) trains g ¦ loss a with adam trains g
incomplete-sentence, anything: updater needs a word
  = as in updater adam lr=1e-3
    updater ¦ updater\nrelu ¦ updater: adam ¦ updater "adam" ¦ updater 3
incomplete-sentence, anything: metric needs words
  = as in metric accuracy f1, or metric f1(kind, k)
    metric ¦ metric\nrelu ¦ metric: f1 ¦ metric 3 ¦ metric "f1"
incomplete-sentence, anything: a sentence of metric holds words, or words with their arguments in parentheses
  = as in metric accuracy top_k(5)
    metric f1 3 ¦ metric f1 a=3 ¦ metric f1(a) 3 ¦ metric f1 (a) ¦ metric f1 + f2 ¦ metric f1: 3
incomplete-sentence, anything: data needs the name of a file, in quotes
  = as in data "iris.csv"
    data ¦ data\nrelu ¦ data iris ¦ data iris.csv ¦ data: 3
incomplete-sentence, anything: import needs the name of a file, in quotes
  = as in import "common.net"
    import ¦ import\nrelu ¦ import common ¦ import: 3
incomplete-sentence, anything: a sentence of import holds one file
    import "a.net" "b.net" ¦ import "a.net", "b.net" ¦ import "a.net" a
incomplete-sentence, anything: targets needs names of artifacts
  = as in targets numpy inference
    targets ¦ targets\nrelu ¦ targets: numpy ¦ targets "numpy" ¦ targets 3
incomplete-sentence, anything: a sentence of targets holds names only
  = as in targets numpy inference
    targets numpy 3 ¦ targets numpy(3) ¦ targets numpy=3 ¦ targets numpy "step"
incomplete-sentence, anything: part needs a name
  = as in part generator { dense 784 -> tanh }
    part ¦ part { relu } ¦ part\nrelu ¦ part 3
body-syntax: a part has no parameters
  = a definition has: def block {word}(n) { … }
    part g(n) { relu } ¦ part g() { relu } ¦ part g (n) { relu }
body-syntax, anything: a body in braces must follow part {word}
  = as in part generator { dense 784 -> tanh }
    part g ¦ part g\nrelu ¦ part g -> relu ¦ part g: relu ¦ part g = { relu } ¦ part g relu
body-syntax: a body is empty
  = put a sentence into it, or leave the whole out
    part g { } ¦ repeat 3 { } ¦ if a { } ¦ def block f() { } ¦ def layer f() { } ¦ if a { relu } else { }
    def layer f() { if a { } }
incomplete-sentence, anything: def needs a kind
  = the kinds are block, layer, cell, updater, activation, loss, metric, init and schedule
    def ¦ def f(x) = x ¦ def f ¦ def\nrelu ¦ def part f() { relu } ¦ def 3
incomplete-sentence, anything: a definition needs a name and its parameters in parentheses
  = as in def block residual(channels, stride=1) { … }, or def block twice() { … } without any
    def block ¦ def block\nrelu ¦ def block 3 ¦ def block { relu } ¦ def block f { relu } ¦ def block f
    def block f = relu ¦ def layer ¦ def layer f { return n } ¦ def activation ¦ def activation f = x
    def activation f ¦ def activation f x = x
body-syntax, anything: a parameter is a name, or a name with its default
  = as in (channels, stride=1)
    def block f(3) { relu } ¦ def block f("a") { relu } ¦ def block f(a=) { relu } ¦ def block f(a b) { relu }
    def block f(a: 3) { relu } ¦ def block f(a, 3) { relu } ¦ def layer f((a)) { return a } ¦ def loss f(p 3) = p
    def block f(a.b) { relu } ¦ def block f(f(a)) { relu } ¦ def block f(-3) { relu }
body-syntax, anything: = and a formula must follow
  = as in def activation mish(x) = x * tanh(softplus(x))
    def activation f(x) ¦ def activation f(x)\nrelu ¦ def activation f(x) { return x } ¦ def loss f(x) x
    def loss f(x): x ¦ def loss f(x) = ¦ def loss f(x) =\nrelu ¦ def loss f(x) = { x } ¦ def activation f(x) -> x
body-syntax, anything: a body of formulas in braces must follow
  = as in def layer double(n) { return 2 * in }
    def layer f(n) ¦ def layer f(n)\nrelu ¦ def layer f(n) = n ¦ def layer f(n): n ¦ def layer f(n) -> n
body-syntax, anything: a body in braces must follow
  = as in def block twice(n) { dense n -> dense n }
    def block f(n) ¦ def block f(n)\nrelu ¦ def block f(n) = relu ¦ def block f(n): n ¦ def block f(n) -> relu
incomplete-sentence: repeat needs how often, and a body in braces
  = as in repeat 3 { dense 16 -> relu }
    repeat ¦ repeat\nrelu ¦ repeat { relu } ¦ repeat 3 ¦ repeat n ¦ repeat 3\nrelu ¦ repeat n\nrelu ¦ repeat (n)
    repeat: 3 ¦ repeat n: relu
incomplete-sentence: if needs a condition and a body in braces
  = as in if deep { dense 16 -> relu }
    if ¦ if\nrelu ¦ if { relu } ¦ if a ¦ if a\nrelu ¦ if a == 3 ¦ if (a) ¦ if a: ¦ if a: relu ¦ if: a ¦ if a == 3:
body-syntax: else stands right after the } of its if
  = write } else {, on one line
    else { relu } ¦ relu\nelse { relu } ¦ net a\nrelu\nelse { relu } ¦ if a { relu }\nelse { relu }
    def layer f() { if a { return n }\nelse { return n } } ¦ dense 3 else relu
body-syntax, anything: a body in braces must follow else
  = write else { if … { … } }
    if a { relu } else if b { relu } ¦ if a { relu } else relu ¦ if a { relu } else
    def layer f() { if a { return n } else if b { return n } } ¦ def layer f() { if a { return n } else return n }
sentence-end: a sentence ends before {found}
  = put {found} on a line of its own
    part g { relu } dense 3 ¦ part g { relu } 3 ¦ if a { relu } else { relu } relu ¦ if a { relu } relu
    def block f() { relu } relu ¦ def layer f() { return n } relu ¦ repeat 3 { relu } relu
    def layer f() { if a { return n } return n } ¦ part g { relu } { relu }
formula-syntax, anything: a body of formulas holds NAME = EXPR, weight, state, return and if
  = layers cannot stand here: they have no formula
    def layer f() { dense 3 } ¦ def layer f() { dense -> relu } ¦ def layer f() { relu }
    def layer f() { relu\nreturn n } ¦ def layer f() { dense(3) } ¦ def layer f() { a: 3 } ¦ def layer f() { 3 }
    def layer f() { "a" } ¦ def layer f() { (a) } ¦ def layer f() { -> a } ¦ def layer f() { let a = 3 }
    def layer f() { return n\n3 }
formula-syntax: nothing but = gives a name its value
  = write {word} = {word} {found} …
    def layer f() { a °= n } ¦ def layer f() { a °n }
formula-syntax: an expression must follow {word}
    def layer f() { a = } ¦ def layer f() { return } ¦ def layer f() { state a = }
    def layer f() { a =\nreturn n } ¦ def layer f() { return\nreturn n } ¦ def layer f() { a = -> n }
formula-syntax, anything: a weight is written weight NAME: [SHAPE]
  = as in weight W: [in.features, units] init=xavier
    def layer f() { weight } ¦ def layer f() { weight W } ¦ def layer f() { weight W [n] }
    def layer f() { weight W: n } ¦ def layer f() { weight W: } ¦ def layer f() { weight W: f32[n] }
    def layer f() { weight 3 } ¦ def layer f() { weight W: (n) }
formula-syntax, anything: a state is written state NAME = EXPR
  = as in state m = zeros
    def layer f() { state } ¦ def layer f() { state m } ¦ def layer f() { state m: zeros }
    def layer f() { state 3 }
sentence-start, anything: no sentence begins with {found}
  = a sentence begins with a word: dense 16, input x: f32[4]; a comment begins with #
    16 ¦ (n) ¦ [1] ¦ { relu } ¦ , relu ¦ = 3 ¦ + 3 ¦ relu\n3 ¦ relu\n(n) ¦ part g { 3 } ¦ part g { relu\n3 } ¦ -3
    repeat 3 { 3 } ¦ : 3 ¦ net a\nrelu\n16
bad-number, anywhere: {found} is not a number
  = numbers are written 10, 0.5, 1e-3 or 10%, and windows 3x3
    dense .5 ¦ dense 5. ¦ dense 10abc ¦ dense 3X3 ¦ dense 1_000 ¦ dense 1.2.3 ¦ dense 0x1F ¦ dense 1e ¦ let a = .5
    train a=.5 ¦ dense 3x ¦ let a = 5. ¦ input x: f32[4.]
argument-syntax, anywhere: {found} must not touch what stands before it
  = put a blank or a comma between them
    dense "a""b" ¦ dense n"a" ¦ dense (n)(n) ¦ let a = (n)(n) ¦ dense (n)[1] ¦ input x: class("a""b")
expression-syntax, anywhere: a dot stands between a value and a name, without blanks
  = as in in.features
    dense in. features ¦ dense in .features ¦ let a = in .features ¦ let a = .b
quotes, anywhere: strings are written between double quotes
  = write "…"
    data 'f.csv' ¦ dense 'a' ¦ let a = 'b' ¦ dense `a`
sentence-end, anywhere: no semicolon ends a sentence
  = write one sentence a line
    relu; ¦ dense 3; relu ¦ let a = 3; ¦ net a; ¦ ; relu
expression-syntax, anywhere: {found} is not an operator
  = write and, or, not; layers are joined by ->
    if a && b { relu } ¦ if a || b { relu } ¦ if !a { relu } ¦ let a = b & c
bad-character, anywhere: {found} is not part of the language here
    dense $n ¦ let a = b ? c ¦ dense ~n ¦ let a = b \ c ¦ relu?
"""
