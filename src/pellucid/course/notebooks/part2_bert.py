# %% [markdown]
# # Part 2: what does the network make of a sentence?
#
# A BERT reads a text as *tokens*, words or pieces of words. Each token is a vector, and a stack of blocks rewrites these
# vectors again and again, each time letting the tokens look at each other. This notebook looks inside, in three ways:
#
# | | approach | the question that it answers |
# |---|---|---|
# | 1 | Attention visualization | Which tokens does each token look at, in which block and by which head? |
# | 2 | Embedding visualization | How do the vectors of a question and its passage move from layer to layer? |
# | 3 | Embedding analysis | How near are the vectors of one word in different sentences? |
#
# **Layers and heads.** Layer *n* is the output of block *n*, and layer 0 the embeddings, before any block. Blocks count
# from 1, heads from 0. The shipped networks are small: 6 blocks of 12 heads, vectors of 384 numbers. `minilm` was made
# for comparing sentences; from it were tuned `minilm-mlm`, which predicts masked words, and `minilm-qa`, which answers
# questions.
#
# **How to work.** Run the cells from top to bottom (Shift + Enter). Then change what stands between `# TODO n` and `# END
# TODO n`, run that cell again, and look at what moved. **These are the only lines to change**; what you set there is
# checked, and a message says what would do. In section 3 there are two functions to write. Everything runs on this
# machine, on its CPU, without a network connection.
#
# **The course.** Every section ends with what to look for and with the numbers of the questions that it serves. The
# questions stand in the course's page. Here you try out the approaches that they are about; what a question asks for and no
# TODO sets, such as another option of a method, is set in the explanation that the page shows beside it.

# %%
# %env OMP_WAIT_POLICY=PASSIVE
# %matplotlib inline
import warnings
from typing import get_args

import numpy as np
from IPython.display import display

import pellucid as pl
from pellucid.analysis.anisotropy import Correction
from pellucid.analysis.word import find
from pellucid.course import exercises, settings
from pellucid.course.notebooks import figures
from pellucid.models.load import load_encoder
from pellucid.pictures.attention import draw_attention, draw_head_effect, draw_head_statistics, draw_overview
from pellucid.pictures.layers import draw_layers
from pellucid.render.similarity import similarity_matrix, similarity_strip

warnings.filterwarnings("ignore", "IProgress not found")  # of progress bars, which are not wanted

# %% [markdown]
# ## 1 Attention visualization
#
# *Vaswani et al., NeurIPS 2017; Clark, Khandelwal, Levy and Manning, BlackboxNLP 2019,
# <https://arxiv.org/abs/1906.04341>; the view is that of exBERT, Hoover, Strobelt and Gehrmann, ACL 2020,
# <https://arxiv.org/abs/1910.05276>*
#
# **The idea.** In each block, each head takes from every token a *query* $q_i$ and a *key* $k_j$, and lets token $i$ look
# at token $j$ the more, the better the two match:
#
# $$A_{ij} = \frac{\exp(q_i \cdot k_j / \sqrt d)}{\sum_{j'} \exp(q_i \cdot k_{j'} / \sqrt d)}$$
#
# The weights of a token add up to 1: it shares out its attention, and takes the tokens' values in these shares.
#
# **The picture.** Lines run from a token at the left, the query, to those that it attends to at the right, the keys; the
# thicker and darker, the larger the weight. Only the strongest are drawn: of each token as many as carry the share of its
# attention that you set. The columns beside the tokens say, head by head, how much each gives to the lines shown and
# receives over them. `[CLS]` and `[SEP]` are *special tokens* at the beginning and the end; hidden, they are left out and
# nothing is rescaled, so that one sees how little may remain.
#
# **What it cannot tell.** Where a head looks is not what it does with what it finds. Much attention goes to the special
# tokens, which mostly means that the head has nothing to add. Whether a head matters, one finds out by taking it away:
# `pl.head_effect`.

# %%
# TODO 1: a network, a sentence, a block and some of its heads
MODEL = "minilm-mlm"  # or "minilm", "minilm-qa", or a folder with a BERT of your own
SENTENCE = "The young keeper repaired the lamp because the ships needed its light."
PASSAGE = ""  # where SENTENCE is a question, the passage that it is asked of; else nothing between the quotation marks
LAYER = 3  # 1 to the last block
HEADS = [0, 5]  # each 0 to the last head of the block
SHARE = 0.5  # of each token's attention, which the lines shown carry; 0.05 to 1
HIDE_SPECIAL = True  # or False
# END TODO 1

enc = load_encoder(settings.text("MODEL", MODEL))
tokens = enc.read(settings.text("SENTENCE", SENTENCE), settings.text("PASSAGE", PASSAGE or "", empty=True) or None)
act = enc.activations(tokens)
settings.whole("LAYER", LAYER, 1, enc.layers)
settings.wholes("HEADS", HEADS, 0, enc.heads - 1, count=enc.heads)
settings.real("SHARE", SHARE, 0.05, 1)
settings.yes("HIDE_SPECIAL", HIDE_SPECIAL)
attention = pl.attend(act, LAYER, HEADS, mass=SHARE, hide_special=HIDE_SPECIAL)
display(draw_attention(attention, model=enc.name))

# %% [markdown]
# **All heads at a glance.** A small map for every head of every block: rows are queries, columns keys, special tokens
# included. Then what kind of head each is, in numbers: how spread its attention is (*entropy*, in bits: 0 is all on one
# token), how far it looks, and how much goes to the next token, the one before, the same word, and the special tokens.

# %%
display(draw_overview([pl.attend(act, n) for n in range(1, enc.layers + 1)], model=enc.name))
display(draw_head_statistics(pl.head_statistics(act), model=enc.name))

# %% [markdown]
# **Hiding words.** A word is replaced by `[MASK]`, and the network says what it would put there: the likeliest pieces
# of words with their probabilities. The picture shows what the hidden place attends to in one block; the guess rests on
# what all blocks have gathered, one after the other. Hide a second word, and see what becomes of the guesses for the
# first. The head that predicts is small; expect the grammar to be right more often than the fact.

# %%
# TODO 2: some words of your sentence, and the block and the heads that are shown
MASKED = ["lamp"]  # of a word that is there twice, ("the", 2) is the second
MASK_LAYER = 3  # 1 to the last block
MASK_HEADS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]  # shown together: the mean of their weights
# END TODO 2

guesser = enc if enc.fills_masks else load_encoder("minilm-mlm")
settings.whole("MASK_LAYER", MASK_LAYER, 1, guesser.layers)
settings.wholes("MASK_HEADS", MASK_HEADS, 0, guesser.heads - 1, count=guesser.heads)
masked = settings.words("MASKED", MASKED, 5)
plain = guesser.read(SENTENCE)
hidden = guesser.hide(plain, [at for word in masked for at in plain.span(0, *find(SENTENCE, word))])
for blank in pl.fill_mask(guesser, hidden, top=8)[0]:
    print(f"{guesser.name} in the place of {blank.hidden!r}:")
    for guess in blank.guesses:
        print(f"  {guess.token:<16}{guess.probability:6.1%}  {'█' * round(60 * guess.probability)}")
looks = pl.attend(guesser.activations(hidden), MASK_LAYER, MASK_HEADS, combine="mean", mass=SHARE, hide_special=HIDE_SPECIAL)
display(draw_attention(looks, model=guesser.name))

# %% [markdown]
# **What a head does.** One head after the other is taken out, its output set to zero, and the network is asked again.
# *Effect* is how much the answer changes, all in all; beside it stands what the head's attention suggests; the *loss* is
# how much less likely the words become that were chosen. With `minilm-qa` and a passage it is the answer to the question,
# otherwise the hidden words.

# %%
asked, read = (enc, tokens) if enc.answers_questions and PASSAGE else (guesser, hidden)
display(draw_head_effect(pl.head_effect(asked, read), model=asked.name))

# %% [markdown]
# > **Look for** heads that always look one token back or ahead, heads that look at `[SEP]` or `[CLS]` and at little else,
# > heads that look at one place only and heads that look everywhere. Do they keep their habits with another sentence? Is
# > a head that looks at much also one that matters? On which words does a guess lean? *Questions 21 to 24.*

# %% [markdown]
# ## 2 Embedding visualization
#
# *Van Aken, Winter, Löser and Gers, How Does BERT Answer Questions?, CIKM 2019, <https://arxiv.org/abs/1909.04925>*
#
# **The idea.** Each token of the question and its passage is a vector of 384 numbers at every layer. *Principal component
# analysis* finds the two directions along which these vectors vary most, and draws them there:
#
# $$y = W^\top (h - \bar h), \qquad W = \text{the two leading eigenvectors of } \sum_i (h_i - \bar h)(h_i - \bar h)^\top$$
#
# Each layer has axes of its own; its picture is turned and mirrored, but never stretched, to lie as close to the one
# before as it can, so that what moves from one picture to the next did move.
#
# **The picture.** A star is a token of the answer, a square one of the question, a dot one of the passage, a cross a
# special token; a ring marks the sentence that the answer stands in. Each axis says its share of the variance.
# **Trustworthiness** says how far neighbours in the picture are neighbours in truth: 1 for all of them.
#
# **What it cannot tell.** Two directions of 384. What lies together in the picture may lie far apart in one that is not
# drawn; the table below compares the two. Left, right, up and down mean nothing: only distances do.

# %%
# TODO 3: a network, a question and a passage
READER = "minilm-qa"  # or "minilm" or "minilm-mlm", which do not answer; or a folder with a BERT of your own
QUESTION = "Who repaired the broken lamp?"
CONTEXT = """
The old lighthouse stands on a steep cliff above the grey sea. A storm broke its lamp last winter, and for three nights no
ship could find the narrow harbour. The young keeper repaired the broken lamp with a copper wire. In the village below, the
baker sells warm bread and sweet cakes to the hungry sailors.
"""
# END TODO 3

reader = load_encoder(settings.text("READER", READER))
question, context = " ".join(settings.text("QUESTION", QUESTION).split()), " ".join(settings.text("CONTEXT", CONTEXT).split())
tokens, span = reader.read(question, context), None
if reader.answers_questions:
    found = pl.answer(reader, tokens)[0]
    said = f"{found.text!r}, probability {found.best.probability:.1%}" if found.answered else "the passage does not say"
    print(f"{question}\n{reader.name}: {said}")
    if found.start is not None and found.end is not None:
        tokens, span = found.tokens, (found.start, found.end)
groups = pl.token_groups(tokens, pl.passage(question, context, answer=span))
states = reader.activations(tokens)
drawn = pl.project(states, align=True)
display(draw_layers(drawn, groups.facts, title=f"{reader.name}: {question}", columns=2))

# %% [markdown]
# **Picture and truth.** Of one word, the token that lies nearest in the picture, and the one that lies nearest in all
# dimensions.

# %%
# TODO 4: a word of the passage
WORD = "keeper"  # of a word that is there twice, ("the", 2) is the second
# END TODO 4

print(figures.neighbours(states, drawn, tokens.span(0, *find(context, settings.word("WORD", WORD)), part=1)[0]))

# %% [markdown]
# > **Look for** what lies together in the first layers, in the middle and in the last: words alike in spelling or
# > meaning, the question and the sentence that answers it, the answer apart from all else? From which layer on? Where is
# > the trustworthiness so low that the picture says little? Compare with the network that was not tuned to answer,
# > `minilm`. *Questions 25 to 27.*

# %% [markdown]
# ## 3 Embedding analysis
#
# *Ethayarajh, How Contextual are Contextualized Word Representations?, EMNLP 2019, <https://arxiv.org/abs/1909.00512>*
#
# **The idea.** One word in several sentences. In layer 0 its vectors differ by their places alone; every block mixes in
# more of the sentence. If the network tells the meanings of a word apart, vectors of the same meaning lie nearer to each
# other. Near by which measure?
#
# $$d(a, b) = \sqrt{\sum_i (a_i - b_i)^2} \qquad\qquad
# \cos(a, b) = \frac{\sum_i a_i b_i}{\sqrt{\sum_i a_i^2}\,\sqrt{\sum_i b_i^2}}$$
#
# The *Euclidean distance* is 0 for equal vectors and grows without bound. The *cosine similarity* looks at directions
# only: 1 for the same, 0 for a right angle, -1 for opposite ones.
#
# **The functions are yours to write.** `a` and `b` are NumPy arrays with one axis; give back one number. Two vectors of
# different lengths cannot be compared: raise a `ValueError`. A vector of length zero has no direction, so it has no
# cosine: raise a `ValueError` there too. What you write is compared with the library's on many vectors; until it passes,
# the library's is used below, and the figures say so.


# %%
# TODO 5: write the bodies of these two functions, in place of the lines that raise NotImplementedError
def euclidean_distance(a, b):
    raise NotImplementedError


def cosine_similarity(a, b):
    raise NotImplementedError


# END TODO 5


euclidean = exercises.euclidean_distance(euclidean_distance)
cosine = exercises.cosine_similarity(cosine_similarity)
display(euclidean, cosine)

# %% [markdown]
# **The matrices.** A row and a column for each sentence; the lines divide the meanings. Cosine similarity goes from blue,
# opposed, over white to red, alike; of the distance, darker is nearer. Below the title stands whose function it is, and
# what the same measure gives for two random words: the vectors of a layer share a direction, so that *any* two words are
# alike to some degree.

# %%
# TODO 6: a network, a word, sentences with it by its meaning, and a layer
ENCODER = "minilm"  # or "minilm-qa", "minilm-mlm", or a folder with a BERT of your own
WORD_COMPARED = "apple"
SENTENCES = {
    "fruit": [
        "She peeled an apple and cut it into thin slices for the cake.",
        "The apple fell from the tree and rolled into the wet grass.",
        "Every morning he eats a green apple with a handful of walnuts.",
        "My grandmother baked a warm pie from the last apple of the autumn.",
    ],
    "company": [
        "Apple announced a new phone with a faster processor on Tuesday.",
        "The shares of Apple rose by four percent after the quarterly report.",
        "She left her job at a bank to write software for Apple in California.",
        "A court ordered Apple to pay the tax that it owed in Ireland.",
    ],
}
LAYER_COMPARED = 4  # 0, the embeddings, to the last block
CORRECTION = "none"  # or "centred", without the mean of all words; "standardised"; "all_but_the_top"
# END TODO 6

comparer = load_encoder(settings.text("ENCODER", ENCODER))
settings.whole("LAYER_COMPARED", LAYER_COMPARED, 0, comparer.layers)
senses, sentences = settings.grouped("SENTENCES", SENTENCES)
correction = settings.choice("CORRECTION", CORRECTION, get_args(Correction))
alike = pl.compare(comparer, sentences, WORD_COMPARED, metric="cosine", correction=correction)
apart = pl.compare(comparer, sentences, WORD_COMPARED, metric="euclidean", correction=correction)
vectors = alike.vectors.numpy()  # layer, sentence, number
measures = ((cosine, "cosine similarity", alike), (euclidean, "Euclidean distance", apart))
for own, unit, library in measures:
    matrix = own.matrix(vectors[LAYER_COMPARED])
    title = f"“{WORD_COMPARED}” in {len(sentences)} sentences, layer {LAYER_COMPARED} of {comparer.name}"
    facts = [
        f"{unit} by {own.whose}; correction: {CORRECTION}",
        f"two random words: {float(library.baseline[LAYER_COMPARED]):.2f}",
    ]
    near = own is cosine  # a similarity; else a distance
    display(similarity_matrix(matrix, library.parts, unit, similarity=near, groups=senses, title=title, facts=facts))

# %% [markdown]
# **From layer to layer.** The same matrices at all layers, between the same limits.

# %%
for own, unit, library in measures:
    matrices = np.stack([own.matrix(layer) for layer in vectors])
    random = [f"random words {float(b):.2f}" for b in library.baseline]
    title, facts = f"“{WORD_COMPARED}”, layer by layer", [f"{unit} by {own.whose}; {comparer.name}, correction: {CORRECTION}"]
    near = own is cosine
    display(
        similarity_strip(
            matrices, library.layers, unit, similarity=near, groups=senses, captions=random, title=title, facts=facts
        )
    )

# %% [markdown]
# > **Look for** when two blocks appear, one for each meaning, and how far the similarity within them lies above that
# > between them; how far a word's vectors in two sentences drift apart from layer 0 to the last; whether the two measures
# > name the same nearest neighbours; what is left of a high cosine beside that of two random words. *Questions 28 to 30.*

# %% [markdown]
# ## What next
#
# * `pellucid lab` in a shell opens the same in the browser: arcs, moving layers, matrices, and a corpus searched by
#   meaning.
# * `pellucid layers`, `pellucid compare` and `pellucid attention` draw them from the shell, for your own texts.
# * `pl.phases` and `pl.separation` put numbers with intervals to what is only seen here.
