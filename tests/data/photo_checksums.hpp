#pragma once

#include <cstdint>

namespace accrete::test {

/// Made by photo_checksums.py with Pillow. Not edited by hand.
struct PhotoChecksum {
  char const* file;
  int height;
  int width;
  std::uint32_t pixels;
  std::uint32_t crop;
};

inline constexpr PhotoChecksum photo_checksums[] = {
    {"african_chameleon/n01694178_african_chameleon.jpg", 240, 320, 0x5D66AEBEU, 0xF74AEA68U},
    {"airship/n02692877_airship.jpg", 156, 350, 0x5E21D629U, 0x1B9073A2U},
    {"artichoke/n07718747_artichoke.jpg", 332, 500, 0xA5BAE892U, 0x6A2B10C0U},
    {"baseball/n02799071_baseball.jpg", 333, 500, 0x173451C1U, 0x53A5F2D9U},
    {"bathtub/n02808440_bathtub.jpg", 476, 502, 0x8662B0FAU, 0x2E6D33D5U},
    {"beaker/n02815834_beaker.jpg", 221, 320, 0xF717C571U, 0xF614F4D6U},
    {"bee_eater/n01828970_bee_eater.jpg", 500, 341, 0x5AE29A67U, 0x857645EBU},
    {"beer_glass/n02823750_beer_glass.jpg", 500, 375, 0xC799BEC0U, 0x2673B770U},
    {"binoculars/n02841315_binoculars.jpg", 250, 250, 0xA45F19E3U, 0x52C22543U},
    {"chickadee/n01592084_chickadee.jpg", 334, 500, 0x16695E5EU, 0x739B77DFU},
    {"chiffonier/n03016953_chiffonier.jpg", 379, 380, 0xDD508A93U, 0xDE1EB11CU},
    {"gibbon/n02483362_gibbon.jpg", 333, 500, 0x8BDFBEBBU, 0x4BA38ED6U},
    {"lakeland_terrier/n02095570_lakeland_terrier.jpg", 191, 225, 0xC81A1506U, 0x97B39D0BU},
    {"matchstick/n03729826_matchstick.jpg", 349, 500, 0x232360D9U, 0xE417AD68U},
    {"mosque/n03788195_mosque.jpg", 510, 450, 0xD563FB42U, 0xD1027FE8U},
    {"oboe/n03838899_oboe.jpg", 525, 700, 0x38FEE278U, 0x537003E6U},
    {"planetarium/n03956157_planetarium.jpg", 480, 640, 0x4F83976BU, 0xA479334BU},
    {"pomeranian/n02112018_pomeranian.jpg", 436, 500, 0xC65A6434U, 0x6BE0CF9CU},
    {"projectile/n04008634_projectile.jpg", 500, 334, 0xC7E1DF2FU, 0x9CEF1B8AU},
    {"promontory/n09399592_promontory.jpg", 512, 768, 0x2B38D4CCU, 0x02F57289U},
    {"rhinoceros_beetle/n02174001_rhinoceros_beetle.jpg", 333, 500, 0x5F2A1913U, 0x5F6604ABU},
    {"saluki/n02091831_saluki.jpg", 334, 500, 0x96C50A1BU, 0xC8892E50U},
    {"stove/n04330267_stove.jpg", 450, 301, 0xDB9B38FCU, 0x05F9936EU},
    {"submarine/n04347754_submarine.jpg", 485, 750, 0x529C8BD6U, 0xEBE7B5A9U},
};

}  // namespace accrete::test
