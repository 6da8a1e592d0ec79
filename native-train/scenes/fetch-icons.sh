#!/usr/bin/env bash
# Makes assets/icons from the pinned npm package of Microsoft's Fluent Emoji (MIT): 256 px WebP in,
# 192 px WebP out. The result is committed, so only a change of the list below needs this.
# Needs npm, tar, sha256sum and python3 with venv.
set -euo pipefail

package='@lobehub/fluent-emoji-3d@1.1.0'
tarball='lobehub-fluent-emoji-3d-1.1.0.tgz'
sha256='c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58'
pillow='pillow==11.3.0'
side_px=192
quality=82

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "$package" >/dev/null
echo "$sha256  $tarball" | sha256sum --check --quiet
tar xzf "$tarball"
python3 -m venv venv
venv/bin/pip install --quiet --no-deps "$pillow"

cat >icons.txt <<'LIST'
dog 1f415
cat 1f408
cow 1f404
horse 1f40e
elephant 1f418
penguin 1f427
pig 1f416
sheep 1f411
rabbit 1f407
giraffe 1f992
tiger 1f405
monkey 1f412
rooster 1f413
duck 1f986
owl 1f989
turtle 1f422
dinosaur 1f996
whale 1f433
fish 1f420
dolphin 1f42c
butterfly 1f98b
bee 1f41d
bird 1f426
camel 1f42a
zebra 1f993
snail 1f40c
apple 1f34e
banana 1f34c
pizza 1f355
cake 1f382
hamburger 1f354
strawberry 1f353
watermelon 1f349
pineapple 1f34d
ice-cream 1f366
donut 1f369
carrot 1f955
pear 1f350
lemon 1f34b
car 1f697
bus 1f68c
truck 1f69a
bicycle 1f6b2
motorcycle 1f3cd-fe0f
airplane 2708-fe0f
helicopter 1f681
sailboat 26f5
ship 1f6a2
train 1f682
tractor 1f69c
rocket 1f680
tree 1f333
fir 1f332
palm 1f334
cactus 1f335
sunflower 1f33b
tulip 1f337
mushroom 1f344
potted-plant 1fab4
umbrella 2602-fe0f
balloon 1f388
guitar 1f3b8
clock 23f0
book 1f4d5
ball 26bd
chair 1fa91
kite 1fa81
gift 1f381
backpack 1f392
cap 1f9e2
house 1f3e0
tent 26fa
key 1f511
bell 1f514
drum 1f941
trophy 1f3c6
bucket 1faa3
snowman 26c4
teddy-bear 1f9f8
robot 1f916
camera 1f4f7
dress 1f457
television 1f4fa
ladder 1fa9c
LIST

cat >convert.py <<'PYTHON'
import sys
from PIL import Image

listing, target, side, quality = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for line in open(listing):
    name, code = line.split()
    icon = Image.open(f"package/assets/{code}.webp").convert("RGBA")
    icon = icon.resize((side, side), Image.Resampling.LANCZOS)
    icon.save(f"{target}/{name}.webp", "WEBP", quality=quality, alpha_quality=90, method=6)
PYTHON

mkdir -p "$here/assets/icons"
rm -f "$here"/assets/icons/*.webp
venv/bin/python convert.py icons.txt "$here/assets/icons" "$side_px" "$quality"
echo "$(wc -l <icons.txt) icons, $(cat "$here"/assets/icons/*.webp | wc -c) bytes"
