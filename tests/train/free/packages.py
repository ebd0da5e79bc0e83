"""Where free recorded music is: packages of Debian's main and public repositories, with licences and what to expect.

Everything in main is free by Debian's guidelines; each piece's licence is looked up in the package's copyright file (`licences`). The
repositories' licences were read by hand.
"""

GENRES = {
    "0ad-data": "orchestral folk", "amoebax-data": "pop", "ardentryst": "orchestral", "asc-music": "rock", "berusky2-data": "electronic",
    "biniax2-data": "chiptune", "caveexpress-data": "game", "colobot-common-sounds": "electronic rock", "cube2-data": "rock",
    "enigma-data": "electronic", "extremetuxracer-data": "pop", "fb-music-high": "electronic", "fillets-ng-data": "soundtrack",
    "flare-game": "orchestral", "freedink-data": "game", "freedroid-data": "chiptune", "freedroidrpg-data": "electronic", "frozen-bubble-data": "electronic",
    "fretsonfire-songs-muldjord": "metal", "fretsonfire-songs-sectoid": "rock", "gl-117-data": "electronic", "hedgewars-data": "rock and folk",
    "heroes-sound-tracks": "electronic", "hyperrogue-music": "electronic", "lincity-ng-data": "electronic", "marsshooter-data": "electronic",
    "megaglest-data": "orchestral", "naev-data": "soundtrack", "nexuiz-data": "electronic", "nexuiz-music": "electronic", "noiz2sa-data": "electronic",
    "openarena-088-data": "metal", "openclonk-data": "rock", "parsec47-data": "electronic", "pekka-kana-2-data": "chiptune", "pingus-data": "electronic",
    "planetblupi-music-ogg": "pop", "pushover-data": "game", "redeclipse-data": "electronic", "rrootage-data": "electronic", "singularity-music": "ambient",
    "supertux-data": "chiptune", "supertuxkart-data": "pop and rock", "tecnoballz-data": "chiptune", "torcs-data": "rock", "ufoai-music": "electronic metal",
    "warzone2100-music": "electronic", "wesnoth-1.16-music": "orchestral", "widelands-data": "orchestral", "wizznic-data": "chiptune", "xmoto-data": "rock", "zaz-data": "electronic",
}  # fmt: skip
"""What to expect of a package, roughly."""

PACKAGES = (
    *GENRES,
    "a7xpg-data", "abe-data", "adonthell-data", "alienblaster-data", "angrydd", "blobwars-data", "blockout2", "bomberclone-data", "boswars-data",
    "bumprace-data", "ceferino-data", "criticalmass-data", "cuyo-data", "davegnukem-data", "epiphany-data", "etw-data", "freeorion-data", "funnyboat",
    "gigalomania-data", "glob2-data", "gunroar-data", "hannah-data", "hex-a-hop-data", "kraptor-data", "lordsawar-data", "lugaru-data", "madbomber-data",
    "monsterz-data", "mu-cade-data", "neverball-common", "njam-data", "open-invaders-data", "openarena-data", "orbital-eunuchs-sniper-data", "pachi-data",
    "pathological", "pax-britannica-data", "penguin-command", "performous", "phlipple-data", "pinball-data", "pink-pony-data", "powermanga-data",
    "rafkill-data", "raincat-data", "renpy-thequestion", "ri-li-data", "rockdodger", "scorched3d-data", "seahorse-adventures", "solarwolf", "spacezero",
    "starfighter-data", "stormbaancoureur-data", "titanion-data", "tomatoes-data", "toppler", "torus-trooper-data",
    "tumiki-fighters-data", "tuxfootball", "tuxmath-data", "tuxtype-data", "unknown-horizons", "val-and-rick-data", "vectoroids", "warmux-data",
    "wordwarvi-sound", "xblast-tnt-musics",
    "bb", "black-box", "circuslinux-data", "dodgindiamond2", "flobopuyo", "freecol", "gltron", "ironseed-data", "lomiri-sounds", "pinball-table-gnu-data", "vodovod",
)  # fmt: skip
"""Of Debian's main. Left out, for terms of their own: drascula-music, btanks-data, trackballs-data."""

TSC = (
    r"tsc/data/music/(game/(bossbattle_[23]|courseclear_(AAA|C)|lost_1)|story/(theme_1|tutorial)|"
    r"land/(castle_2|cave_[123]|factory_2|ghost_2|holdon_1|hyper_[12]|land_[1235]|lost|reunion_1))\."
)
PARTY = r"stk/(assets/music|plugins/minigames)/"
TUXEMON = r"mods/tuxemon/music/(?!JRPGC|Enter_the|Unending|Valor of|We Persist|Why_do|melody_|stand_|taking_)"
VALYRIA = r"data/music/(?!birdsong|forest_at_night|rain_indoors)"

REPOSITORIES = {
    "apparos09/LOL-1777": ("CC-BY-4.0, CC-BY-3.0 (Antti Luode, Kevin MacLeod, Jason Shaw)", "hip-hop and dance", r"Audio/BGMs/"),
    "apparos09/LOL-1903": ("CC0-1.0, CC-BY-3.0, CC-BY-4.0 (Antti Luode, Rafael Krux, Kevin MacLeod)", "funk", r"Audio/BGMs/"),
    "apparos09/LOL-373": ("CC-BY-4.0 (Rafael Krux, Jason Shaw, Kevin MacLeod)", "jazz-funk", r"Audio/BGMs/"),
    "apparos09/VLG": ("CC-BY-4.0 (Jason Shaw, Kevin MacLeod, Rafael Krux)", "orchestral and waltz", r"Audio/BGMs/"),
    "beat-feet/beat-feet": ("CC-BY-SA-3.0 (ds10forum.com, John Harrison with the Wichita State University Chamber Players)", "techno and baroque", r"assets/songs/mp3/"),
    "C-C-Minetest-Server/phonograph_album_1f616emo": ("CC-BY-SA-4.0 (1F616EMO)", "game", r"phonographs/(?!.*_ch\d)"),
    "C-C-Minetest-Server/phonograph_album_diarmuid": ("CC-BY-SA-4.0 (Diarmuid)", "acoustic ambient", r"phonographs/(?!.*_ch\d)"),
    "C-C-Minetest-Server/phonograph_album_helena": ("CC-BY-SA-4.0 (Helena Bolan)", "electronic lo-fi", r"phonographs/(?!.*_ch\d)"),
    "cxong/cdogs-sdl": ("CC-BY-3.0, CC-BY-4.0, CC0-1.0 (ViRiX, Alexandr Zhelanov, Joth, Matthew Pablo, Ted Kerr, VocalMix)", "rock and electronic", r"^music/(?!.*metamorphosis)"),
    "gdquest-demos/godot-open-rpg": ("CC0-1.0 (Zane Little)", "funk-pop", r"assets/music/"),
    "KelvinShadewing/supertux-advance": ("CC-BY-4.0, CC-BY-SA-4.0, CC0-1.0 (Bogart VGM, Spring)", "bossa and pop", r"res/mus/(retroracing-beach|forest-top|mad-bossa)\."),
    "KOBUGE-Games/jetpaca": ("CC-BY-4.0 (Fernando Calabro, Juan Linietsky, Ariel Manzur)", "pop", r"^music/"),
    "OpenHV/OpenHV": ("CC-BY-4.0 (Tim Beek)", "soundtrack", r"audio/timbeek/"),
    "petegordon/Tandemonium": ("CC-BY-4.0 (Kevin MacLeod)", "ragtime and orchestral", r"^assets/"),
    "Secretchronicles/TSC": ("CC-BY-SA-3.0, CC-BY-SA-4.0, CC-BY-4.0, GPL (Johan Brodd, Arik Burns, re:fi.64, Patrick Friel, Norbu Tsering, Ken Seguro)", "guitar rock and pop", TSC),
    "solarus-games/solarus-free-resource-pack": ("CC-BY-SA-4.0 (Diarandor, Eduardo Duenas, Zonzifleur)", "orchestral and folk", r"data/musics/"),
    "Tuxemon/Tuxemon": ("CC-BY-SA-4.0, CC-BY-3.0, CC-BY-SA-3.0 (Eric Skiff, Spring, FoxSynergy, Tom Peter, bart, Yubatake, t4ngr4m, Trevor Lentz)", "chiptune", TUXEMON),
    "uncle-sheepsky/duru-cc0-bgm": ("CC0-1.0", "chiptune", r"mp3/(duru-|korobeiniki-boombap|mountainking)"),
    "ValyriaTear/ValyriaTear": ("CC-BY-SA-3.0, CC-BY-3.0, CC0-1.0, GPL (djsaryon, Eliot Corley, Mumu, Matthew Pablo, Alexandr Zhelanov and others)", "orchestral and rock", VALYRIA),
    "viewizard/astromenace": ("GPL-3 (Viewizard)", "electronic", r"gamedata/music/"),
    "viniciusmioto/super_tux_party": ("CC-BY-3.0, CC0-1.0, CC-BY-4.0, CC-BY-SA-4.0 (HorrorPen, Dan Knoflicek, cynicmusic, Wolfgang, Zane Little and others)", "game and waltz", PARTY),
    "1olegshev/clue-cards": ("CC0-1.0", "lo-fi", r"sounds/music/"),
    "C-C-Minetest-Server/phonograph_album_mcl": ("CC0-1.0, CC-BY-3.0 (5), CC-BY-SA-3.0 (6), CC-BY-SA-4.0 (Jester, Exhale, Diminixed)", "electronic", r"phonographs/(?!.*_ch\d)"),
    "C-C-Minetest-Server/phonograph_albumm_holiznacc0": ("CC0-1.0", "lo-fi hip-hop", r"phonographs/(?!.*_ch\d)"),
    "garu/Games-GrooveBoard": ("CC-BY-SA-3.0", "rock", r"data/music"),
    "gm3/cc0-beats": ("CC0-1.0", "hip-hop", r"^20\d\d"),
    "tannerhelland/free-music": ("CC-BY-4.0", "orchestral pop", r"^(?!.*(Final Fantasy|Aerith|Castlevania|Eragon|Carol|Kroc|remix of|Tiberian)).*(mp3/|ogg/)"),
}  # fmt: skip
"""GitHub repositories of free music: licence of the sound, genre, and which files."""

LICENCES = {
    **dict.fromkeys(
        ("a7xpg-data", "gunroar-data", "mu-cade-data", "noiz2sa-data", "parsec47-data", "rrootage-data", "titanion-data", "torus-trooper-data",
         "tumiki-fighters-data", "val-and-rick-data"), "BSD-2-Clause (Kenta Cho)",
    ),
    **dict.fromkeys(
        ("ceferino-data", "nexuiz-music", "orbital-eunuchs-sniper-data", "pachi-data", "pingus-data", "rockdodger", "vectoroids", "warmux-data"), "GPL-2+",
    ),
    **dict.fromkeys(("black-box", "circuslinux-data"), "GPL"), "flobopuyo": "GPL-2+",
    **dict.fromkeys(("enigma-data", "tuxtype-data", "wesnoth-1.16-music"), "GPL-2"),
    "fillets-ng-data": "public domain", "freedink-data": "GPL-3+, CC-BY-3.0 or CC-BY-SA-3.0 (by file)", "fretsonfire-songs-muldjord": "CC-BY-SA-3.0 (El Senator)",
    "fretsonfire-songs-sectoid": "MIT (Carlos Viola Iborra)", "glob2-data": "GPL-3", "openclonk-data": "CC-BY-3.0 or CC0 (by file; Martin Strohmeier)",
    "pink-pony-data": "CC-BY-SA-3.0 (Renich)", "singularity-music": "CC-BY-SA-3.0 (Max McCracken)",
}  # fmt: skip
"""As read by hand, of packages whose copyright file is prose."""
