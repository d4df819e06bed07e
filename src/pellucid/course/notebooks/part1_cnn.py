# %% [markdown]
# # Part 1: why did the network say so?
#
# A convolutional network looks at a photograph and names what it sees. This notebook asks it *why*, by five approaches:
#
# | | approach | the question that it answers |
# |---|---|---|
# | 1 | LIME | Which parts of the photograph raise the probability of the answer when they are shown? |
# | 2 | Saliency map | To which pixels is the answer sensitive? |
# | 3 | SmoothGrad | The same, without the noise of a single gradient. |
# | 4 | Filter visualization | What does one filter of the network look for, and where does it find it? |
# | 5 | Integrated gradients | How is the answer shared out among the pixels, compared with a picture that shows nothing? |
# | 6 | *How far to trust a map* | Does the map depend on the network at all? Do the pixels that it marks matter? |
#
# **How to work.** Run the cells from top to bottom (Shift + Enter). Then change what stands between `# TODO n` and `# END
# TODO n`, run that cell again, and look at what moved. **These are the only lines to change**; what you set there is
# checked, and a message says what would do. Everything runs on this machine, on its CPU, without a network connection;
# the whole notebook takes about a minute as it is given.
#
# **The course.** Every section ends with what to look for and with the numbers of the questions that it serves. The
# questions stand in the course's page. Here you try out the approaches that they are about; what a question asks for and no
# TODO sets, such as another option of a method, is set in the explanation that the page shows beside it.

# %%
# %env OMP_WAIT_POLICY=PASSIVE
# %matplotlib inline

import torch
from IPython.display import display

import pellucid as pl
from pellucid.course import settings
from pellucid.course.notebooks import figures
from pellucid.inputs.photograph import expand
from pellucid.models.load import load_classifier
from pellucid.pictures.images import draw_filters

# %% [markdown]
# ## The network and the ten photographs
#
# The ten observation images have the numbers **0 to 9** everywhere in the course. Below each photograph stand the three
# classes that the network finds likeliest, with their probabilities. All maps below explain the likeliest one unless they
# say otherwise: a map explains what the network *said*, whether it is right or not.
#
# Three networks can be asked:
# * `"imagenet"`: EfficientNet-Lite0, 1,000 classes. It comes with the package.
# * `"food11"`: the same network, its classes summed into the categories of Food-11. It comes with the package too, and
#   was not trained on Food-11: `pl.card("food11")` says what that means.
# * one that you trained yourself: `pellucid train food11 FOLDER out` in a shell leaves a checkpoint, which is named
#   together with its architecture: `"food11-cnn:out/checkpoint.pth"`.
#
# The layers of the second and the third have other names than those of the first: choose again in section 4.

# %%
# TODO 1: the network and the photographs; yours, if you have some
MODEL = "imagenet"
PHOTOGRAPHS = "observation"  # the ten of the course; or a folder of your own pictures, such as "my_photographs"
# END TODO 1

model = load_classifier(settings.text("MODEL", MODEL))
x = model.read(list(expand([settings.text("PHOTOGRAPHS", PHOTOGRAPHS)])))
last = settings.whole("the number of photographs", len(x), 1, 30) - 1
display(*figures.photographs(model, x))

# %% [markdown]
# ## 1 LIME
#
# *Ribeiro, Singh and Guestrin, KDD 2016, <https://arxiv.org/abs/1602.04938>*
#
# **The idea.** The photograph is cut into *superpixels*, patches of like colour. Many copies are made in which some of
# them are hidden behind their mean colour, and the network is asked about every copy. Then a linear model is fitted to
# its answers:
#
# $$\hat f(z) = w_0 + \sum_s w_s z_s, \qquad \min_w \sum_z \pi(z)\,\bigl(f(z) - \hat f(z)\bigr)^2 + \alpha \lVert w \rVert^2$$
#
# where $z_s$ is 1 when superpixel $s$ is shown in the copy $z$ and 0 when it is hidden, $f$ is the probability of the
# class, and $\pi(z)$ counts copies more that are like the photograph. The weight $w_s$ is what showing that superpixel
# adds.
#
# **The colours.** Red superpixels speak for the class, blue ones against it. The second row has all weights, in
# *probability per superpixel shown*; the third only the heaviest. **R²** is the share of the network's behaviour that the
# linear model catches; the **relative error** is how far the weights would still move with endless samples, as a share of
# their length.
#
# **What it cannot tell.** Nothing finer than a superpixel. With a low R² the weights summarise something that is not
# linear. And a photograph with grey patches is none that the network has learnt from: its answer there may be odd.

# %%
# TODO 2: how finely the photographs are cut, and how often the network is asked
SEGMENTS = 40  # superpixels of each photograph, about; 5 to 300
SAMPLES = 60  # copies of each photograph; 20 to 2000, and ten photographs take about a second for every ten of them
HEAVIEST = 8  # superpixels shown in the last row; 1 to 100
# END TODO 2

settings.whole("SEGMENTS", SEGMENTS, 5, 300)
settings.whole("SAMPLES", SAMPLES, 20, 2000)
settings.whole("HEAVIEST", HEAVIEST, 1, 100)
lime = pl.explain(model, x, method="lime", segments=SEGMENTS, samples=SAMPLES)
display(*figures.explained(model, x, lime, top=HEAVIEST))

# %% [markdown]
# **How many samples are enough?** One photograph with more and more of them. Watch the relative error: what still changes
# from one column to the next is not yet to be read.

# %%
# TODO 3: one photograph, and up to five numbers of samples
IMAGE = 0
SAMPLE_NUMBERS = [20, 60, 120]  # each 20 to 2000
SEED = 0  # 0 to 1000; another one hides other superpixels
# END TODO 3

one = x[settings.whole("IMAGE", IMAGE, 0, last)]
seed = settings.whole("SEED", SEED, 0, 1000)
named = {
    f"{n} samples": pl.explain(model, one, method="lime", segments=SEGMENTS, samples=n, seed=seed)
    for n in settings.wholes("SAMPLE_NUMBERS", SAMPLE_NUMBERS, 20, 2000, count=5)
}
says = [f"R² {float(a.fit[0]):.2f}, relative error {float(a.error[0]):.2f}" for a in named.values()]
display(figures.variants(one, named, captions=says, shared=True))

# %% [markdown]
# > **Look for** where the red superpixels lie: on the subject or beside it? Which one is the heaviest, and by how much?
# > How far do the weights move when you ask more often or cut more finely? *Questions 1 to 4.*

# %% [markdown]
# ## 2 Saliency map
#
# *Simonyan, Vedaldi and Zisserman, ICLR workshop 2014, <https://arxiv.org/abs/1312.6034>*
#
# **The idea.** How fast would the answer change if this pixel did? That is the gradient of the class's score $S_c$ by the
# pixel, and one backward pass gives it for all pixels at once. Of the three colours of a pixel the largest magnitude is
# shown:
#
# $$M_{ij} = \max_k \left| \frac{\partial S_c(x)}{\partial x_{kij}} \right|$$
#
# **The colours.** From black, no influence, to bright, the largest; each map has a scale of its own, whose end stands
# below it, in *logit per unit of the network's input*. There is no red and blue: a bright pixel may speak for the class
# or against it.
#
# **What it cannot tell.** It is about an infinitesimal change. A region may matter very much and have no gradient at all,
# because the network is quite sure of it already. And a single gradient is noisy: neighbouring pixels of one surface may
# differ widely.

# %%
saliency = pl.explain(model, x, method="saliency")
display(*figures.explained(model, x, saliency))

# %% [markdown]
# **For another answer.** The same photograph, asked about other classes: 1 is the one that the network finds likeliest, 2
# the second, and so on. Two maps that look alike do not say why it is the one class rather than the other.

# %%
# TODO 4: one photograph, and which of its likeliest classes are explained
IMAGE = 7
RANKS = [1, 2, 5]  # up to five of 1 to 10
OUTPUT = "logit"  # or "log_probability", "probability", "loss": of what the gradient is taken
MAGNITUDE = False  # or True
# END TODO 4

one = x[settings.whole("IMAGE", IMAGE, 0, last)]
most = min(10, len(model.labels))
answers = model.predict(one, top=most)[0]
chosen = [answers[rank - 1] for rank in settings.wholes("RANKS", RANKS, 1, most, count=5)]
how = {
    "output": settings.choice("OUTPUT", OUTPUT, ["logit", "log_probability", "probability", "loss"]),
    "magnitude": settings.yes("MAGNITUDE", MAGNITUDE),
}
named = {f"{p.label}, {p.probability:.1%}": pl.explain(model, one, method="saliency", target=p.index, **how) for p in chosen}
display(figures.variants(one, named, shared=True))

# %% [markdown]
# > **Look for** how much of the brightness lies on the subject, compared with how much of the photograph it fills; where
# > the very brightest pixel is; on which photographs the brightness is gathered and on which it is spread; what stays the
# > same when another class is asked about. *Questions 5 to 8.*

# %% [markdown]
# ## 3 SmoothGrad
#
# *Smilkov, Thorat, Kim, Viégas and Wattenberg, 2017, <https://arxiv.org/abs/1706.03825>*
#
# **The idea.** Add noise to the photograph, take the gradient, and do so again with other noise. What hangs on the exact
# value of each pixel averages out; what the answer depends on stays:
#
# $$\hat M(x) = \frac 1 n \sum_{i=1}^n M(x + \varepsilon_i), \qquad \varepsilon_i \sim \mathcal N(0, \sigma^2)$$
#
# The noise level is $\sigma$ as a share of the photograph's range of values: 0.15 is a strong grain, at 0.5 little is
# seen.
#
# **The colours.** As in a saliency map: brighter is more sensitive, in *logit per unit of the network's input*. The
# **relative error** below each is the standard error of the average, as a share of the map's length. It falls with the
# root of $n$: four times as many samples halve it.
#
# **What it cannot tell.** It explains the answers to *noisy* photographs. With so much noise that the network no longer
# recognises them, the map is about something else, however smooth it looks.

# %%
# TODO 5: how strong the noise is, and how many noisy copies there are of each photograph
NOISE = 0.15  # 0.01 to 1
SAMPLES = 8  # 2 to 200; ten photographs take about a third of a second for each
SEED = 0  # 0 to 1000; another one draws other noise
# END TODO 5

settings.real("NOISE", NOISE, 0.01, 1)
settings.whole("SAMPLES", SAMPLES, 2, 200)
smooth = pl.explain(
    model,
    x,
    method="smoothgrad",
    statistic="magnitude",
    noise=NOISE,
    samples=SAMPLES,
    seed=settings.whole("SEED", SEED, 0, 1000),
)
display(*figures.explained(model, x, smooth))

# %% [markdown]
# **How much noise?** One photograph without noise, which is its saliency map, and with several levels of it. Below each
# stands how many of the noisy copies the network takes for another class than the photograph.

# %%
# TODO 6: one photograph, and up to five levels of noise
IMAGE = 2
NOISES = [0.05, 0.15, 0.4]  # each 0.01 to 1
COPIES = 12  # 2 to 200
# END TODO 6

one = x[settings.whole("IMAGE", IMAGE, 0, last)]
settings.whole("COPIES", COPIES, 2, 200)
others: list[int] = []
named = {"no noise": pl.explain(model, one, method="saliency")}
for noise in settings.reals("NOISES", NOISES, 0.01, 1, count=5):
    named[f"noise {noise:g}"] = pl.explain(model, one, method="smoothgrad", statistic="magnitude", noise=noise, samples=COPIES)
    copies = one.features + noise * one.value_range * torch.randn(COPIES, *one.features.shape[1:])
    others.append(int((model.logits(copies).argmax(1) != model.targets(one)).sum()))
display(figures.variants(one, named, captions=["", *(f"{n} of {COPIES} copies are another class" for n in others)]))

# %% [markdown]
# > **Look for** where the speckle goes and what remains; whether the map comes nearer to the subject or only gets softer;
# > from how many samples on it hardly changes; at which noise it begins to show something else. *Questions 10 to 13.*

# %% [markdown]
# ## 4 Filter visualization
#
# *Erhan, Bengio, Courville and Vincent, 2009; Olah, Mordvintsev and Schubert, Distill 2017,
# <https://doi.org/10.23915/distill.00007>*
#
# **The idea.** The other approaches explain an answer; this one explains a part of the network. A convolution has many
# *filters*, and each puts out a map: large where the filter finds what it looks for. What does it look for? Start from
# white noise and change the picture, step by step along the gradient, so that the filter's map $a_f$ rises as high as it
# can:
#
# $$x^{(t+1)} = x^{(t)} + \eta\, \nabla_x \, \overline{a_f(x^{(t)})}$$
#
# (with the mean over the map, steps by Adam, and the picture kept between black and white). Then look where the same
# filter *fires* on real photographs.
#
# **The pictures.** First, for each filter, the picture that was made, over the curve of its activation in the layer's own
# units. Then the maps on the ten photographs: red where the filter is above zero, blue where it is below, on one scale
# for all ten, so that they can be compared; below each its mean and its peak.
#
# **What it cannot tell.** A made picture is an extreme that no photograph reaches, and one of many that would do. It has
# no class: a filter serves hundreds of them, and most classes use hundreds of filters.
#
# These are the layers of the network, in the order in which they are passed: name, then filters x rows x columns of their
# maps.

# %%
print(figures.layer_table(model))

# %%
# TODO 7: a layer of the list above, up to four of its filters, and the number of steps
LAYER = "_blocks.5._project_conv"
FILTERS = [0, 3, 11]  # from 0; each less than the layer's number of filters
STEPS = 32  # 5 to 500
# END TODO 7

settings.text("LAYER", LAYER)
settings.whole("STEPS", STEPS, 5, 500)
settings.wholes("FILTERS", FILTERS, 0, 100_000, count=4)
made = pl.filters(model, LAYER, FILTERS, steps=STEPS)
display(draw_filters(made))
display(*figures.fires(model, x, LAYER, FILTERS))

# %% [markdown]
# > **Look for** what repeats in the made pictures: edges, colours, textures, parts of things? How does that change from
# > the first layers to the last? Which photographs raise a filter most, and does it fire on the subject or elsewhere?
# > *Questions 14 to 17.*

# %% [markdown]
# ## 5 Integrated gradients
#
# *Sundararajan, Taly and Yan, ICML 2017, <https://arxiv.org/abs/1703.01365>*
#
# **The idea.** Compare the photograph $x$ with a *baseline* $x'$ that shows nothing, for example a black picture. Walk
# from the one to the other in a straight line, collect the gradients on the way, and multiply their mean by the way that
# each pixel has gone:
#
# $$\mathrm{IG}_i(x) = (x_i - x'_i) \int_0^1 \frac{\partial S_c\bigl(x' + t\,(x - x')\bigr)}{\partial x_i}\, dt,
# \qquad \sum_i \mathrm{IG}_i(x) = S_c(x) - S_c(x')$$
#
# The second equation is *completeness*: the scores of all pixels add up to the change of the class's score. Nothing is
# left over, which makes it a way to *share out* the answer. The integral is taken at a number of steps, so it holds up to
# a **completeness gap**, given below each map as a share of that change.
#
# **The colours.** Red pixels raised the logit on the way from the baseline, blue ones lowered it; white did nothing. In
# *logit*.
#
# **What it cannot tell.** The baseline is part of the question. Where the photograph has the baseline's own value, the
# factor $x_i - x'_i$ is 0, and so is the score, whatever that pixel means. And the way leads through pictures that nobody
# has ever seen.

# %%
# TODO 8: the number of steps, and what the photographs are compared with
STEPS = 10  # 1 to 300; ten photographs take about a third of a second for each
BASELINE = "black"  # or "white", "mean", "zero", "blur", "uniform", "gaussian"
RULE = "gauss_legendre"  # or "trapezoid", "left", "right", "midpoint"
REFINEMENTS = 0  # 0 to 300: steps that are added where most of the change is unaccounted for
# END TODO 8

KNOWN = ["black", "white", "mean", "zero", "blur", "uniform", "gaussian"]
settings.whole("STEPS", STEPS, 1, 300)
settings.choice("BASELINE", BASELINE, KNOWN)
rule = settings.choice("RULE", RULE, ["gauss_legendre", "trapezoid", "left", "right", "midpoint"])
settings.whole("REFINEMENTS", REFINEMENTS, 0, 300)
walk = {"steps": STEPS, "baseline": BASELINE, "rule": rule, "refinements": REFINEMENTS}
integrated = pl.explain(model, x, method="integrated_gradients", **walk)
display(*figures.explained(model, x, integrated))

# %% [markdown]
# **Six baselines.** One photograph compared with six pictures that show nothing, each in its own way: `black`, `white`,
# the photograph's own `mean` colour, the photograph under a `blur`, `uniform` noise, and the photograph under `gaussian`
# noise. The first row shows them. `zero` is a seventh, the grey that is 0 to the network.

# %%
# TODO 9: one photograph, up to six baselines, and the number of steps
IMAGE = 4
BASELINES = ["black", "white", "mean", "blur", "uniform", "gaussian"]
WALK = 10  # 1 to 300
# END TODO 9

one = x[settings.whole("IMAGE", IMAGE, 0, last)]
settings.whole("WALK", WALK, 1, 300)
named = {
    baseline: pl.explain(model, one, method="integrated_gradients", steps=WALK, baseline=baseline)
    for baseline in settings.choices("BASELINES", BASELINES, KNOWN)
}
display(figures.variants(one, named, baselines=True))

# %% [markdown]
# > **Look for** how the completeness gap falls with the steps; what becomes of the dark pixels with a black baseline, and
# > of the bright ones with a white one; which parts stay red whatever the photograph is compared with. *Questions 18 and
# > 19.*

# %% [markdown]
# ## 6 How far to trust a map
#
# A map always looks like *something*. Two controls show how little that means: `edges` draws the edges of the photograph
# and never asks the network; `random` is noise. `pl.trust` puts every map to the same three tests:
#
# 1. **Better than random?** The pixels that the map ranks first are removed step by step, and the probability of the
#    class is watched; then pixels are removed in random orders. The *advantage* is how much lower the area under the
#    map's own curve is, in probability, with its 95 % interval (Samek et al. 2017).
# 2. **Does it depend on the network?** The same method explains a network with random weights. If its map is still much
#    the same (rank correlation near 1), it shows the photograph and not what the network makes of it (Adebayo et al.
#    2018).
# 3. **Does it settle?** Methods with chance run again with another seed.
#
# The verdict is one of: *holds up*, *has not settled*, *little to explain*, *no better than random*, *does not depend on
# the model*. To hold up is to have passed these tests, which is no proof that the map is right.

# %%
# TODO 10: one photograph, and some methods; also "integrated_gradients", "grad_cam" and "input_x_gradient"
IMAGE = 0
METHODS = ["lime", "saliency", "smoothgrad", "edges", "random"]
# END TODO 10

one = x[settings.whole("IMAGE", IMAGE, 0, last)]
OPTIONS = {
    "lime": {"segments": 40, "samples": 60},
    "smoothgrad": {"statistic": "magnitude", "samples": 12},
    "integrated_gradients": {"steps": 12},
}
offered = ["lime", "saliency", "smoothgrad", "integrated_gradients", "grad_cam", "input_x_gradient", "edges", "random"]
named, says, lines = {}, [], []
for method in settings.choices("METHODS", METHODS, offered):
    a = pl.explain(model, one, method=method, **OPTIONS.get(method, {}))
    t = pl.trust(model, one, a)[0]
    named[method] = a
    says.append(f"{t.verdict}\n{t.advantage.value:+.2f} over random")
    gained = f"{t.advantage.value:+.2f} ({t.advantage.low:+.2f} to {t.advantage.high:+.2f})"
    seeds = "-" if t.seeds is None else f"{t.seeds:.2f}"
    lines.append(f"{method:<22}{gained:<25}{t.randomised:<9.2f}{seeds:<8}{t.verdict}")
display(figures.variants(one, named, captions=says))
print(f"{'method':<22}{'over random orders':<25}{'weights':<9}{'seeds':<8}verdict")
print("\n".join(lines))

# %% [markdown]
# *Over random orders* is in probability; *weights* is the rank correlation with the map of a network with random weights,
# 0 to 1, the lower the better; *seeds* is the correlation with a second run, 0 to 1, the higher the better.
#
# > **Look for** what the controls fail at, and whether a map that you believed in does better. Try photographs of which
# > the network is sure, and some of which it is not. *Questions 9 and 20.*

# %% [markdown]
# ## What next
#
# * `pellucid lab` in a shell opens the same in the browser, where maps sharpen while one looks.
# * `pellucid report FOLDER` explains your own pictures by all of these, as one HTML file.
# * `pellucid methods lime` lists all options of a method; every one of them can be given to `pl.explain`.
# * Part 2 goes on with a network that reads text.
